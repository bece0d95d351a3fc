package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

// ErrFull is returned by Library when there is no room for more profiles.
var ErrFull = errors.New("no room for more profiles")

// Library keeps profiles that people bring.
type Library interface {
	// Save returns when both are durable; the same capture again is no error. The
	// error wraps ErrFull when there is no room.
	Save(ctx context.Context, c memwatch.Capture, data []byte) (created bool, err error)
	// Remove forgets a capture, and its bytes if no other has the same.
	Remove(ctx context.Context, id string) error
}

func (s *Server) libraryOperations() {
	limit := s.MaxProfileBytes
	register(s, operation{
		method: http.MethodPost, path: "/api/profiles", id: "upload-profile", tag: "profiles", access: AccessOperator,
		summary: "Bring a profile, in any form that pprof reads; the same one twice is kept once",
		errors:  []int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusInsufficientStorage},
		more: func(op *huma.Operation) {
			known := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[memwatch.Capture](), true, "")
			op.Responses = map[string]*huma.Response{"200": {
				Description: "It was there already", Content: map[string]*huma.MediaType{"application/json": {Schema: known}},
			}}
			op.MaxBodyBytes, op.BodyReadTimeout, op.DefaultStatus = limit, time.Minute, http.StatusCreated
		},
	}, s.upload)
	register(s, operation{
		method: http.MethodDelete, path: "/api/profiles/{id}", id: "delete-profile", tag: "profiles", access: AccessOperator,
		summary: "Remove a profile that was brought; evidence stays for as long as retention says",
		errors:  []int{http.StatusNotFound, http.StatusConflict},
	}, s.remove)
}

type uploadInput struct {
	Service  string `query:"service" default:"uploads" maxLength:"200" doc:"The service to list it under"`
	Instance string `query:"instance" default:"upload" maxLength:"200"`
	Filename string `query:"filename" maxLength:"200" doc:"What it was called"`
	RawBody  []byte `contentType:"application/octet-stream"`
}

type uploadReply struct {
	Status int
	Body   memwatch.Capture
}

func (s *Server) upload(ctx context.Context, in *uploadInput) (*uploadReply, error) {
	for _, f := range [][2]string{{"service", in.Service}, {"instance", in.Instance}, {"filename", in.Filename}} {
		if strings.ContainsFunc(f[1], func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
			return nil, badParameter(f[0], f[1], "UTF-8 without control characters")
		}
	}
	release, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	data := bytes.Clone(in.RawBody)
	p, err := decode(bytes.NewReader(data))
	if err != nil {
		return nil, unreadable("the body is no profile: %v", err)
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) || isText(data) {
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			return nil, unreadable("the profile cannot be written again: %v", err)
		}
		data = b.Bytes()
	}
	sum := sha256.Sum256(data)
	c := memwatch.Capture{
		ID: "upload-" + hex.EncodeToString(sum[:12]), Service: in.Service, Instance: in.Instance, Kind: kindOf(p), Role: memwatch.RoleUpload,
		Time: takenAt(p), Filename: plainName(in.Filename), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
	}
	if known, err := s.Store.Capture(ctx, c.ID); err == nil {
		return &uploadReply{http.StatusOK, known}, nil
	}
	created, err := s.Library.Save(ctx, c, data)
	switch {
	case errors.Is(err, ErrFull):
		return nil, newProblem(http.StatusInsufficientStorage, "No room", "%v", ErrFull)
	case err != nil:
		return nil, fmt.Errorf("save profile: %w", err)
	case !created:
		return &uploadReply{http.StatusOK, c}, nil
	}
	s.People.Record(ctx, "profile-add", c.ID)
	return &uploadReply{http.StatusCreated, c}, nil
}

// isText tells a compressed profile of the old text forms.
func isText(data []byte) bool {
	b, err := inflate(bytes.NewReader(data), maxProfileBytes)
	if err != nil {
		return false
	}
	_, err = profile.ParseUncompressed(b)
	return err != nil
}

// kindOf looks the sample types up by name.
func kindOf(p *profile.Profile) memwatch.ProfileKind {
	for _, t := range p.SampleType {
		switch t.Type {
		case "inuse_space", "space":
			return memwatch.HeapProfile
		case "goroutine":
			return memwatch.GoroutineProfile
		}
	}
	return memwatch.OtherProfile
}

// takenAt is when the profile says it was taken, where that can be.
func takenAt(p *profile.Profile) memwatch.UnixMilli {
	now := time.Now()
	if t := time.Unix(0, p.TimeNanos); p.TimeNanos > 0 && t.Before(now) {
		return memwatch.Milli(t)
	}
	return memwatch.Milli(now)
}

// plainName makes a name that a browser may save under.
func plainName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Trim(strings.ReplaceAll(name, `"`, ""), ". ")
	if name == "" || name == "/" {
		return "profile.pb.gz"
	}
	return name
}

func (s *Server) remove(ctx context.Context, in *ByID) (*struct{}, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Role != memwatch.RoleUpload {
		return nil, newProblem(http.StatusConflict, "Evidence", "profile %s is evidence, which retention removes: only what was brought can be removed", c.ID)
	}
	if err := s.Library.Remove(ctx, c.ID); err != nil {
		return nil, unknownOr(err, "profile", c.ID)
	}
	s.People.Record(ctx, "profile-remove", c.ID)
	return nil, nil //nolint:nilnil // nothing to answer
}
