package command

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// secrets are what is made of random bytes, and how each is written.
var secrets = map[string]func(random []byte) string{
	"secret":      func(random []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(random) },
	"token":       base64.RawURLEncoding.EncodeToString,
	"session_key": base64.StdEncoding.EncodeToString,
}

const (
	secretBytes = 32
	keyBits     = 2048 // as Ping++ takes
)

func keygenCommand() *cobra.Command {
	var out string
	kinds := []string{"signing_key", "secret", "token", "session_key"}
	cmd := &cobra.Command{
		Use: "keygen <what>", Short: "Makes a key or a secret for the Caddyfile", ValidArgs: kinds,
		Long: `
Makes what the Caddyfile wants to have:

  caddy pay keygen signing_key --out merchant.pem   signs your requests to Ping++: a new file, and merchant.pub.pem beside it, whose text
                                                    you enter in Ping++'s dashboard
  caddy pay keygen secret                           whsec_…, for events { secret }
  caddy pay keygen token                            for backend_token, and for merchant_api { token }
  caddy pay keygen session_key                      for session { key }

A secret is printed and kept nowhere: put it where only Caddy's user can read it. Files that are there are never written over.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(kinds, args[0]) {
				return fmt.Errorf("name one of %s", strings.Join(kinds, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			if args[0] == "signing_key" {
				return makeSigningKey(cmd.OutOrStdout(), out)
			}
			if cmd.Flags().Changed("out") {
				return errors.New("--out goes with signing_key; the others are printed")
			}
			random := make([]byte, secretBytes)
			_, _ = rand.Read(random) // it does not fail
			fmt.Fprintln(cmd.OutOrStdout(), secrets[args[0]](random))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "merchant.pem", "The file of the signing key")
	return cmd
}

// makeSigningKey writes a key pair into two new files.
func makeSigningKey(w io.Writer, file string) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	beside := strings.TrimSuffix(file, filepath.Ext(file)) + ".pub.pem"
	if _, err := os.Lstat(beside); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already, or cannot be seen; name another file with --out", beside)
	}
	if err := newFile(file, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: private}); err != nil {
		return err
	}
	if err := newFile(beside, 0o644, &pem.Block{Type: "PUBLIC KEY", Bytes: public}); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	fmt.Fprintf(w, "%s  the key, for your Caddyfile: signing_key %s (Caddy's user must be able to read it, and nobody else)\n%s  enter its text in Ping++'s dashboard\n", file, file, beside)
	return nil
}

func newFile(name string, mode fs.FileMode, block *pem.Block) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%w; name another file with --out", err)
	}
	return errors.Join(pem.Encode(f, block), f.Sync(), f.Close())
}
