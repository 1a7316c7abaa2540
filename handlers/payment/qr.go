package payment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"strconv"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"github.com/caddypay/caddypay/handlers/problem"
	"github.com/caddypay/caddypay/ledger"
	"github.com/caddypay/caddypay/pingpp/channel"
)

const (
	quietZone  = 4 // modules of white around the code, which scanners need
	pngModule  = 8 // pixels of the PNG per module
	maxPayload = 1000
)

// QR serves GET /pay/charges/{id}/qr.svg and qr.png: the picture of what the payer scans, of his own charge while it can be paid.
func (s *Payments) QR(w http.ResponseWriter, r *http.Request, chargeID, name string) error {
	id, err := s.Visitors.Identify(r)
	if err != nil {
		return err
	}
	l, err := s.Ledger(r.Context())
	if err != nil {
		return err
	}
	c, orderPaid, err := s.ownCharge(r.Context(), l, chargeID, id)
	if err != nil {
		return err
	}
	if orderPaid { // by whatever attempt: nobody is to scan another
		attempts, err := l.Attempts(r.Context(), s.Scope, c.OrderNo)
		if err != nil {
			return err
		}
		return alreadyPaid(attempts, id)
	}
	if c.Superseded {
		return problem.New("charge_superseded", fmt.Errorf("another attempt has taken the place of charge %s", c.ID))
	}
	if c.Paid || c.Reversed || c.Raw == nil || !s.Now().Before(channel.Of(c.Channel).PayableUntil(c.Created, c.TimeExpire)) {
		return problem.New("charge_expired", fmt.Errorf("charge %s can no longer be paid", c.ID))
	}
	content := payURL(c)
	if content == "" {
		return problem.New("not_found", fmt.Errorf("a charge of %s has nothing to scan", c.Channel))
	}
	code, err := qr.Encode(content, qr.M, qr.Auto)
	if err != nil { // longer than any code can be, though payURL has a limit
		return problem.New("not_found", err)
	}
	picture, contentType := qrSVG(code), "image/svg+xml"
	if name == "qr.png" {
		picture, contentType = qrPNG(code), "image/png"
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(picture)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Pay-Order-No", c.OrderNo)
	_, _ = w.Write(picture)
	return nil
}

// payURL is where a charge is paid: what is scanned, or opened on a phone. It is empty for channels that want something else.
func payURL(c *ledger.Charge) string {
	raw := credential(c)
	var page string
	if json.Unmarshal(raw, &page) != nil {
		var in struct {
			URL string `json:"url"`
		}
		if json.Unmarshal(raw, &in) != nil {
			return ""
		}
		page = in.URL
	}
	if !strings.Contains(page, "://") || len(page) > maxPayload {
		return ""
	}
	return page
}

// credential is what the channel gave for paying the charge; nil when there is nothing.
func credential(c *ledger.Charge) json.RawMessage {
	var charge struct {
		Credential map[string]json.RawMessage `json:"credential"`
	}
	_ = json.Unmarshal(c.Raw, &charge) // [] stands for nothing
	return charge.Credential[c.Channel]
}

// dark reports whether a module is to be black.
func dark(code barcode.Barcode, x, y int) bool {
	lum := color.GrayModel.Convert(code.At(x, y)).(color.Gray)
	return lum.Y < 0x80
}

// qrSVG draws a code as one path of runs, so that no seams show at any size.
func qrSVG(code barcode.Barcode) []byte {
	n := code.Bounds().Dx()
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="`, n+2*quietZone)
	for y := range n {
		for x := 0; x < n; x++ {
			run := 0
			for x+run < n && dark(code, x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%[3]dz", x+quietZone, y+quietZone, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes()
}

func qrPNG(code barcode.Barcode) []byte {
	n := code.Bounds().Dx()
	size := (n + 2*quietZone) * pngModule
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range n * pngModule {
		for x := range n * pngModule {
			if dark(code, x/pngModule, y/pngModule) {
				img.SetColorIndex(x+quietZone*pngModule, y+quietZone*pngModule, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // nothing can fail in memory
	}
	return b.Bytes()
}
