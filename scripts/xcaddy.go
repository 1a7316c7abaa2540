//go:build ignore

// Command xcaddy builds Caddy as xcaddy.json says, with the module of this checkout in place of its published version.
//
//	go run scripts/xcaddy.go [-n] [output]
//
// With -n it prints the command instead of running it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

type manifest struct {
	CaddyVersion string `json:"caddy_version"`
	Dependencies []struct {
		Module  string `json:"module"`
		Version string `json:"version"`
	} `json:"dependencies"`
}

func main() {
	log.SetFlags(0)
	dry := flag.Bool("n", false, "print the command instead of running it")
	flag.Parse()
	output := "caddy"
	if flag.NArg() > 0 {
		output = flag.Arg(0)
	}
	raw, err := os.ReadFile("xcaddy.json")
	if err != nil {
		log.Fatalf("run this in the repository's root: %v", err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		log.Fatalf("xcaddy.json: %v", err)
	}
	own := goOutput("list", "-m")
	args := []string{"tool", "xcaddy", "build", m.CaddyVersion, "--output", output}
	for _, d := range m.Dependencies {
		if d.Module == own {
			args = append(args, "--with", d.Module+"=.")
			continue
		}
		args = append(args, "--with", d.Module+"@"+d.Version)
	}
	if *dry {
		fmt.Println("go " + strings.Join(args, " "))
		return
	}
	// All modules are in the cache after this, and building from it needs no version of this module to be published.
	run(nil, "mod", "download")
	cache := filepath.ToSlash(filepath.Join(goOutput("env", "GOMODCACHE"), "cache", "download"))
	run([]string{"GOPROXY=file://" + cache + "," + goOutput("env", "GOPROXY"), "GOSUMDB=off", "GOFLAGS=-mod=mod"}, args...)
}

func run(env []string, args ...string) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		log.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
}

func goOutput(args ...string) string {
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		log.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}
