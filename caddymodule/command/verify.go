package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddypay/caddypay/caddymodule/plain"
	"github.com/caddypay/caddypay/pingpp"
)

// verified is what became of a signature.
type verified struct {
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"` // missing, empty, several, not_base64 or wrong_key
	Event  string `json:"event,omitempty"`
	Type   string `json:"type,omitempty"`
}

func verifyCommand() *cobra.Command {
	var body, signature, key string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Says whether Ping++ signed a webhook", Args: cobra.NoArgs,
		Long: `
Checks a webhook's signature as the webhook route does, over the bytes of a file: not one may be changed. It asks nobody.

  caddy pay verify --body event.json --signature "$X_PINGPLUSPLUS_SIGNATURE" --key pingpp.pub.pem
  … | caddy pay verify --body - --signature "…" --key pingpp.pub.pem

Exits 0 when it is Ping++'s, and 1 when it is not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			text, err := os.ReadFile(key)
			if err != nil {
				return fmt.Errorf("--key: %w; name the file with Ping++'s public key", err)
			}
			public, err := pingpp.ParsePublicKey(text)
			if err != nil {
				return fmt.Errorf("--key %s: %w", key, err)
			}
			v, err := pingpp.NewVerifier(public)
			if err != nil {
				return err
			}
			raw, err := readBody(cmd.InOrStdin(), body)
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), v, raw, signature, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&body, "body", "", "The file with the webhook's body, byte for byte; - is stdin")
	f.StringVar(&signature, "signature", "", "The header "+pingpp.SignatureHeader)
	f.StringVar(&key, "key", "", "The PEM file with Ping++'s public key")
	f.BoolVar(&asJSON, "json", false, "Print JSON")
	for _, name := range []string{"body", "signature", "key"} {
		_ = cmd.MarkFlagRequired(name) // it is there
	}
	return cmd
}

const bodyMost = 256 << 10 // as the webhook route takes

func readBody(stdin io.Reader, name string) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, bodyMost+1))
	if err == nil && len(raw) > bodyMost {
		err = fmt.Errorf("--body: more than %d bytes are no webhook", bodyMost)
	}
	return raw, err
}

func report(w io.Writer, v *pingpp.Verifier, body []byte, signature string, asJSON bool) error {
	err := v.Verify(body, []string{signature})
	if trimmed := bytes.TrimRight(body, "\r\n"); err != nil && len(trimmed) < len(body) && v.Verify(trimmed, []string{signature}) == nil {
		err = fmt.Errorf("%w: it is signed without the line end that the file has after it, as editors and shells add it", err)
	}
	found := verified{Valid: err == nil}
	if e, bad := pingpp.ParseEvent(body); bad == nil {
		found.Event, found.Type = e.ID, e.Type
	}
	var refused *pingpp.SignatureError
	if errors.As(err, &refused) {
		found.Reason = string(refused.Reason)
	}
	if asJSON {
		if err := json.NewEncoder(w).Encode(found); err != nil {
			return err
		}
	} else if found.Valid {
		fmt.Fprintf(w, "Ping++ signed these bytes: %s, %s\n", plain.Text(dash(found.Event)), plain.Text(dash(found.Type)))
	}
	return err
}
