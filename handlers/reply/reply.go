// Package reply is what the routes answer when all went well.
package reply

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// JSON answers with a small object of ours.
func JSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil { // only types of ours come here, and they all encode
		panic(err)
	}
	Raw(w, status, raw)
}

// Raw answers with JSON that is passed on byte for byte.
func Raw(w http.ResponseWriter, status int, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// Redirect sends a browser on. The address is complete and checked; nothing of it is changed, as http.Redirect would.
func Redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a code
	w.WriteHeader(http.StatusFound)
}
