// Package plant builds Caddy with this module, with mistakes planted in it that a test has to notice.
package plant

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Overlay writes a copy of one file, below the module's folder root, in which texts are swapped, each of which is there once, and the overlay that
// shows the copy to Build alone.
func Overlay(root, dir, file string, swap [][2]string) (overlay string, err error) {
	original := filepath.Join(root, filepath.FromSlash(file))
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	text := string(source)
	for _, swap := range swap {
		if n := strings.Count(text, swap[0]); n != 1 {
			return "", fmt.Errorf("%s has %d places like this, want 1:\n%s", file, n, swap[0])
		}
		text = strings.Replace(text, swap[0], swap[1], 1)
	}
	patched := filepath.Join(dir, "planted.go")
	if err := os.WriteFile(patched, []byte(text), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: patched}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// Build links cmd/caddy, with some of its files replaced if overlay names a file that says so.
func Build(ctx context.Context, to string, race bool, overlay string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w; run this inside its folder", err)
	}
	args := []string{"build", "-o", to}
	if race {
		args = append(args, "-race")
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/caddy")...)
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building cmd/caddy: %w\n%s", err, out)
	}
	return nil
}
