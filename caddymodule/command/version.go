package command

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
)

const modulePath = "github.com/caddypay/caddypay"

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Says which caddypay this is, and in which Caddy", Args: cobra.NoArgs,
		Example: `  caddy pay version
  caddy pay version --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Caddypay string `json:"caddypay"`
				Commit   string `json:"commit,omitempty"` // when it was built from a checkout
				Caddy    string `json:"caddy"`
				Go       string `json:"go"`
			}{Go: runtime.Version()}
			v.Caddy, _ = caddy.Version()
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Caddypay, v.Commit = ourVersion(info)
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			if v.Commit != "" {
				v.Caddypay += ", commit " + v.Commit
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "caddypay %s\nCaddy    %s\n%s, %s/%s\n", v.Caddypay, v.Caddy, v.Go, runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "Print JSON")
	return cmd
}

// ourVersion reads it where the build has put it: xcaddy makes us a dependency, and a checkout is the main module.
func ourVersion(info *debug.BuildInfo) (version, commit string) {
	version = "unknown"
	if info.Main.Path == modulePath {
		version = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				version += ", modified"
			}
		}
		return version, commit
	}
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			if version = dep.Version; dep.Replace != nil {
				version += " => " + dep.Replace.Path + " " + dep.Replace.Version
			}
		}
	}
	return version, ""
}
