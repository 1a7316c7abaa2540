package handlers

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// exchange is a request that a server saw, and its answer.
type exchange struct {
	method, path string
	header       http.Header
	host         string
	sent         []byte
	status       int
	got          []byte
}

// recorder stands before a server, which may be replaced while requests are under way, and keeps what went through.
type recorder struct {
	mu      sync.Mutex
	handler http.Handler
	all     []exchange
}

func (rec *recorder) serving() http.Handler {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.handler
}

func (rec *recorder) put(h http.Handler) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.handler = h
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	tee := &teeWriter{ResponseWriter: w, status: http.StatusOK}
	header := r.Header.Clone()
	defer func() { // also when the connection is cut
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.all = append(rec.all, exchange{r.Method, r.URL.Path, header, r.Host, sent, tee.status, tee.body.Bytes()})
	}()
	rec.serving().ServeHTTP(tee, r)
}

func (rec *recorder) exchanges(path string) []exchange {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(rec.all), func(e exchange) bool { return !strings.HasPrefix(e.path, path) })
}

type teeWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *teeWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *teeWriter) Write(p []byte) (int, error) {
	if w.body.Len() < 1<<20 {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
