package sandbox

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// The operations that faults can be set on and that calls are counted by.
const (
	opCreate  = "create_charge"
	opGet     = "get_charge"
	opList    = "list_charges"
	opEvent   = "get_event"
	opWebhook = "webhook"
	opSession = "jscode2session"
	opNotify  = "notify"
)

// response is a whole answer, made before any of it is written.
type response struct {
	status      int
	contentType string
	body        []byte
	signed      bool // by Ping++, with the headers of its API
}

const (
	apiJSON   = "application/json;charset=utf-8"
	plainJSON = "application/json; charset=UTF-8" // of 401 replies, which carry no other API header
)

// serveAPI is Ping++'s API.
func (s *Sandbox) serveAPI(w http.ResponseWriter, r *http.Request) {
	op, id := operation(r)
	if op == "" {
		s.write(w, refuse(r, &apiError{status: http.StatusNotFound, kind: invalidRequest,
			zh: "请求的 URL 不存在: " + r.Method + " " + r.URL.Path + "。", en: "Unrecognized request URL: " + r.Method + " " + r.URL.Path}))
		return
	}
	s.serve(w, r, op, func() response { return s.answerAPI(r, op, id) })
}

// operation tells what a request asks of the API; "" is nothing that there is.
func operation(r *http.Request) (op, id string) {
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch kind, id, hasID := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/"); {
	case kind == "charges" && !hasID && r.Method == http.MethodPost:
		return opCreate, ""
	case kind == "charges" && !hasID && get:
		return opList, ""
	case kind == "charges" && id != "" && !strings.Contains(id, "/") && get:
		return opGet, id
	case kind == "events" && id != "" && !strings.Contains(id, "/") && get:
		return opEvent, id
	}
	return "", ""
}

func (s *Sandbox) answerAPI(r *http.Request, op, id string) response {
	live, refusal := s.authenticate(r)
	if refusal != nil {
		return refuse(r, refusal)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse(r, unreadable(err))
	}
	if refusal := s.checkSignature(r, body); refusal != nil {
		return refuse(r, refusal)
	}
	var v any
	switch op {
	case opCreate:
		v, refusal = s.createCharge(body, live)
	case opGet:
		v, refusal = s.getCharge(id, live)
	case opList:
		v, refusal = s.listCharges(r.URL.Query(), live)
	case opEvent:
		v, refusal = s.getEvent(id, live)
	}
	if refusal != nil {
		s.log.Debug("request refused", zap.String("operation", op), zap.Int("status", refusal.status), zap.String("param", refusal.param), zap.String("code", refusal.code))
		return refuse(r, refusal)
	}
	out := response{status: http.StatusOK, contentType: apiJSON, signed: true}
	if raw, ok := v.(verbatim); ok {
		out.body = raw
		return out
	}
	out.body = encode(v)
	return out
}

func unreadable(err error) *apiError {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: invalidRequest, zh: "请求体过大。", en: "The request body is too large."}
	}
	return badParam("", "请求体读取失败。", "Failed to read the request body.")
}

func refuse(r *http.Request, e *apiError) response {
	out := response{status: e.status, contentType: apiJSON, body: e.body(r), signed: true}
	if e.status == http.StatusUnauthorized {
		out.contentType, out.signed = plainJSON, false
	}
	return out
}

// write sends an answer whole.
func (s *Sandbox) write(w http.ResponseWriter, a response) {
	s.head(w, a)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone is no matter of ours
}

func (s *Sandbox) head(w http.ResponseWriter, a response) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	if !a.signed {
		return
	}
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Access-Control-Allow-Methods", "GET, POST, HEAD, OPTIONS, DELETE")
	h.Set("Access-Control-Max-Age", "300")
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Pingplusplus-Signature", s.sign(a.body))
}
