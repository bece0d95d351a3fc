package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/zupee/memwatch"
)

// ByID names one thing.
type ByID struct {
	ID string `path:"id"`
}

// Page are the parameters of a list that goes on.
type Page struct {
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many"`
	Cursor string `query:"cursor" maxLength:"200" doc:"Go on where an earlier answer ended: its next"`
}

// badCursor names what became of a cursor.
func badCursor(err error, cursor string) error {
	if cursor != "" && errors.Is(err, ErrNotFound) {
		return badParameter("cursor", cursor, "the next of an earlier answer; what it names may be gone: begin again without one")
	}
	return err
}

func (s *Server) alertOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/alerts", id: "list-alerts", tag: "alerts", access: AccessViewer,
		summary: "Alerts, newest first",
	}, s.alerts)
	register(s, operation{
		method: http.MethodGet, path: "/api/alerts/{id}", id: "get-alert", tag: "alerts", access: AccessViewer,
		summary: "One alert", errors: []int{http.StatusNotFound},
	}, s.alert)
}

type alertsInput struct {
	Page
	Service  string `query:"service" maxLength:"200"`
	Severity string `query:"severity" enum:"info,warning,critical"`
	State    string `query:"state" enum:"firing,resolved"`
	Type     string `query:"type" enum:"leak,snapshot,disconnect"`
	Kind     string `query:"kind" enum:"heap,goroutine,offheap,fragmentation"`
}

func (s *Server) alerts(ctx context.Context, in *alertsInput) (*reply[Alerts], error) {
	list, total, err := s.Store.Alerts(ctx, AlertQuery{
		Service: in.Service, Severity: memwatch.Severity(in.Severity), State: memwatch.AlertState(in.State),
		Type: memwatch.AlertType(in.Type), Kind: memwatch.Kind(in.Kind), Limit: in.Limit, Before: in.Cursor,
	})
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", badCursor(err, in.Cursor))
	}
	out := Alerts{Alerts: list, Total: total}
	if list == nil {
		out.Alerts = []memwatch.Alert{}
	}
	if len(list) == in.Limit {
		out.Next = list[len(list)-1].ID
	}
	return &reply[Alerts]{out}, nil
}

func (s *Server) alert(ctx context.Context, in *ByID) (*reply[memwatch.Alert], error) {
	a, err := s.Store.Alert(ctx, in.ID)
	if err != nil {
		return nil, unknownOr(err, "alert", in.ID)
	}
	return &reply[memwatch.Alert]{a}, nil
}
