package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddypay/caddypay/handlers"
)

const originExample = "https://m.example.com"

// parseCORS parses the option:
//
//	cors <origin>...
func parseCORS(d *caddyfile.Dispenser, to *[]string) error {
	if err := names(d, to, originExample); err != nil {
		return err
	}
	var origins []string
	for _, text := range *to {
		if strings.Contains(text, "{") { // a placeholder
			continue
		}
		origin, err := handlers.ParseOrigin(text, true) // allow_http may stand below
		if err != nil {
			return d.Errf("the origin %q of cors %v", text, err)
		}
		if slices.Contains(origins, origin) {
			return d.Errf("the origin %s stands twice in cors", origin)
		}
		origins = append(origins, origin)
	}
	return nil
}

// provisionCORS sets whose pages may call the payer's routes besides the site's own.
func (h *Handler) provisionCORS(r *resolver) error {
	texts, err := r.values("cors", h.CORS)
	if err != nil {
		return err
	}
	for _, text := range texts {
		origin, err := handlers.ParseOrigin(text, h.AllowHTTP)
		if err != nil {
			return r.errorf("cors", "the origin %q %w", text, err)
		}
		if slices.Contains(h.resolved.Origins, origin) {
			return r.errorf("cors", "the origin %s stands twice; leave one out", origin)
		}
		h.resolved.Origins = append(h.resolved.Origins, origin)
	}
	return nil
}
