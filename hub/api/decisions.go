package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/zupee/memwatch"
)

// ErrOver is returned by Decisions for an alert that is resolved already.
var ErrOver = errors.New("the alert is resolved already")

// Refused is what Decisions returns for a decision with a wrong field.
func Refused(field, value, allowed string) error { return badParameter(field, value, allowed) }

// Decisions take what people decide about alerts.
type Decisions interface {
	// Decide returns the alert when the decision is durable. The error wraps
	// ErrNotFound or ErrOver, or is of Refused.
	Decide(ctx context.Context, d memwatch.Decision) (memwatch.Alert, error)
	// Log is what happened to an alert, oldest first.
	Log(ctx context.Context, id string) ([]memwatch.Transition, error)
}

// Decision is the body of a decision.
type Decision struct {
	Who   string             `json:"who,omitempty" maxLength:"200" doc:"Who decides; where people sign in, their name counts"`
	Why   string             `json:"why,omitempty" maxLength:"1000" doc:"In words, for the others"`
	Until memwatch.UnixMilli `json:"until,omitempty" minimum:"0" maximum:"253402300799999" doc:"When a silence or an expectation ends, in Unix milliseconds"`
	For   string             `json:"for,omitempty" maxLength:"40" doc:"The same as a duration" example:"2h"`
}

type decisionInput struct {
	ByID
	Body *Decision
}

// AlertLog answers GET /api/alerts/{id}/log, oldest first.
type AlertLog struct {
	Log []memwatch.Transition `json:"log" nullable:"false"`
}

func (s *Server) decisionOperations() {
	for _, d := range []struct {
		action  memwatch.Action
		summary string
	}{
		{memwatch.ActionAcknowledge, "Somebody is at it: nobody is told again unless it worsens"},
		{memwatch.ActionSilence, "Tell nobody until a time"},
		{memwatch.ActionExpect, "This growth is meant to be, until a time; faster growth is not"},
		{memwatch.ActionResolve, "It is done with; what still leaks fires anew after a while"},
		{memwatch.ActionLift, "End an acknowledgement, a silence and an expectation"},
	} {
		register(s, operation{
			method: http.MethodPost, path: "/api/alerts/{id}/" + string(d.action), id: string(d.action) + "-alert", tag: "alerts",
			access: AccessOperator, summary: d.summary, errors: []int{http.StatusNotFound, http.StatusConflict},
		}, func(ctx context.Context, in *decisionInput) (*reply[memwatch.Alert], error) {
			return s.decide(ctx, d.action, in)
		})
	}
	register(s, operation{
		method: http.MethodGet, path: "/api/alerts/{id}/log", id: "get-alert-log", tag: "alerts", access: AccessViewer,
		summary: "What happened to an alert: who, when, why", errors: []int{http.StatusNotFound},
	}, s.alertLog)
}

func (s *Server) decide(ctx context.Context, action memwatch.Action, in *decisionInput) (*reply[memwatch.Alert], error) {
	var body Decision
	if in.Body != nil {
		body = *in.Body
	}
	d := memwatch.Decision{Alert: in.ID, Action: action, Who: body.Who, Why: body.Why, Until: body.Until}
	if name := s.People.Current(ctx).Name; name != "" {
		d.Who = name
	}
	if d.Who == "" {
		d.Who = "somebody"
	}
	if body.For != "" {
		length, err := time.ParseDuration(body.For)
		if err != nil || length <= 0 || length > 366*24*time.Hour {
			return nil, badParameter("for", body.For, "a duration such as 2h, at most 8784h")
		}
		d.Until = memwatch.Milli(time.Now().Add(length))
	}
	if takesTime := action == memwatch.ActionSilence || action == memwatch.ActionExpect; !takesTime {
		d.Until = 0
	}
	a, err := s.Decisions.Decide(ctx, d)
	switch {
	case errors.Is(err, ErrOver):
		return nil, newProblem(http.StatusConflict, "Over", "alert %s: %v", short(in.ID, 100), ErrOver)
	case err != nil:
		return nil, unknownOr(err, "alert", in.ID)
	}
	s.People.Record(ctx, "alert-"+string(action), a.ID)
	return &reply[memwatch.Alert]{a}, nil
}

func (s *Server) alertLog(ctx context.Context, in *ByID) (*reply[AlertLog], error) {
	log, err := s.Decisions.Log(ctx, in.ID)
	if err != nil {
		return nil, unknownOr(err, "alert", in.ID)
	}
	if log == nil {
		log = []memwatch.Transition{}
	}
	return &reply[AlertLog]{AlertLog{log}}, nil
}
