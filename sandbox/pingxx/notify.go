package pingxx

import (
	"net/http"

	"github.com/caddypay/caddypay/sandbox/desk"
)

// serveNotify is what pingpp.js asks in test mode in place of a payment. Only a body equal to
// "success" means that the charge is paid. Pages on another origin, and the developer tools, may ask first whether they may.
func (ro *Room) serveNotify(w http.ResponseWriter, r *http.Request, id string) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Allow-Private-Network", "true") // the page may be a public one, and the sandbox on this machine
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "fail", http.StatusMethodNotAllowed)
		return
	}
	ro.desk.Serve(w, r, opNotify, func() desk.Answer {
		out := desk.Answer{Status: http.StatusOK, Type: "text/plain;charset=utf-8", Body: []byte("fail")}
		if r.URL.Query().Get("livemode") == "false" && ro.Trade.Charges.PayTest(id) {
			out.Body = []byte("success")
		}
		return out
	})
}
