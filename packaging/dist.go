//go:build ignore

// Command dist makes what is released, in one folder: static binaries in archives, packages for Debian and for rpm, a list of what each binary is
// made of (CycloneDX), and SHA256SUMS of it all. The same commit and the same Go give the same bytes, wherever they are built.
//
//	go run packaging/dist.go [-out dist] [-targets linux/amd64,linux/arm64]
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// most is how large a binary may be, in bytes. Caddy alone, with all of its standard modules, has 52 MB of them on Linux, and more on macOS.
const most = 70_000_000

// tags leave out databases of Caddy's local authority that nobody has with it; xcaddy sets the same.
const tags = "nobadger,nomysql,nopgx"

// also goes into each archive, beside the binary.
var also = []string{"LICENSE", "README.md", "README.zh-CN.md", "Caddyfile.example"}

func main() {
	log.SetFlags(0)
	out := flag.String("out", "dist", "the folder, which is made anew")
	targets := flag.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64", "for which systems")
	flag.Parse()
	if err := run(*out, strings.Split(*targets, ",")); err != nil {
		log.Fatal("dist: ", err)
	}
}

func run(out string, targets []string) error {
	if _, err := os.Stat("packaging/dist.go"); err != nil {
		return errors.New("run this in the repository's root: go run packaging/dist.go")
	}
	committed, err := output(nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(committed, 10, 64)
	if err != nil {
		return err
	}
	nfpm, err := tool("nfpm")
	if err != nil {
		return err
	}
	bom, err := tool("cyclonedx-gomod")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "caddypay-dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, target := range targets {
		goos, goarch, ok := strings.Cut(target, "/")
		if !ok {
			return fmt.Errorf("-targets: %q is no system and processor, as in linux/amd64", target)
		}
		r := release{out: out, goos: goos, goarch: goarch, when: time.Unix(seconds, 0).UTC(), binary: filepath.Join(work, goos+"_"+goarch, "caddy")}
		if goos == "windows" {
			r.binary += ".exe"
		}
		if err := r.make(nfpm, bom); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return sums(out)
}

// release is all that is made for one system.
type release struct {
	out, goos, goarch string
	when              time.Time // of the commit
	binary            string
	version           string // as Go stamps it: v1.2.3, or made of the commit's time and hash
}

func (r *release) make(nfpm, bom string) error {
	env := []string{"CGO_ENABLED=0", "GOOS=" + r.goos, "GOARCH=" + r.goarch, "GOFLAGS="}
	if err := command(env, "go", "build", "-buildvcs=true", "-trimpath", "-tags", tags, "-ldflags=-s -w", "-o", r.binary, "./cmd/caddy"); err != nil {
		return err
	}
	info, err := os.Stat(r.binary)
	if err != nil {
		return err
	}
	if info.Size() > most {
		return fmt.Errorf("the binary has %d bytes, more than %d: what has come in?", info.Size(), most)
	}
	built, err := buildinfo.ReadFile(r.binary)
	if err != nil {
		return err
	}
	r.version = strings.TrimPrefix(built.Main.Version, "v")
	if r.version == "" || r.version == "(devel)" {
		return errors.New("the binary knows no version: build from a checkout of git, which a worktree of another one is not")
	}
	if strings.Contains(r.version, "+dirty") {
		log.Print("note: the checkout has changes that are not committed; what is made of it is nobody else's")
	}
	r.version = strings.NewReplacer("-", "~", "+", ".").Replace(r.version) // as packages count: 1.0.0~rc.1 is before 1.0.0
	if err := command(nil, bom, "bin", "-json", "-noserial", "-notimestamp", "-output", r.path("cdx.json"), r.binary); err != nil {
		return err
	}
	archive := r.tarball
	if r.goos == "windows" {
		archive = r.zip
	}
	if err := archive(); err != nil {
		return err
	}
	if r.goos == "linux" {
		for _, kind := range []string{"deb", "rpm"} {
			env := []string{"ARCH=" + r.goarch, "VERSION=" + r.version, "BINARY=" + r.binary, "SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.when.Unix(), 10)}
			if err := command(env, nfpm, "package", "--config", "packaging/nfpm.yaml", "--packager", kind, "--target", r.path(kind)); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s/%s: caddypay %s, %.1f MB\n", r.goos, r.goarch, r.version, float64(info.Size())/1e6)
	return nil
}

func (r *release) path(extension string) string {
	return filepath.Join(r.out, fmt.Sprintf("caddypay_%s_%s_%s.%s", r.version, r.goos, r.goarch, extension))
}

func (r *release) tarball() (err error) {
	f, err := os.Create(r.path("tar.gz"))
	if err != nil {
		return err
	}
	defer closing(f, &err)
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	defer closing(z, &err)
	w := tar.NewWriter(z)
	defer closing(w, &err)
	return r.each(func(name, file string, mode fs.FileMode, size int64) (io.Writer, error) {
		return w, w.WriteHeader(&tar.Header{Name: name, Mode: int64(mode), Size: size, ModTime: r.when, Format: tar.FormatUSTAR})
	})
}

func (r *release) zip() (err error) {
	f, err := os.Create(r.path("zip"))
	if err != nil {
		return err
	}
	defer closing(f, &err)
	w := zip.NewWriter(f)
	defer closing(w, &err)
	return r.each(func(name, file string, mode fs.FileMode, size int64) (io.Writer, error) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: r.when}
		h.SetMode(mode)
		return w.CreateHeader(h)
	})
}

// each puts all that an archive holds into it.
func (r *release) each(entry func(name, file string, mode fs.FileMode, size int64) (io.Writer, error)) error {
	put := func(name, file string, mode fs.FileMode) error {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		w, err := entry(name, file, mode, info.Size())
		if err != nil {
			return err
		}
		_, err = io.Copy(w, f)
		return err
	}
	files := also
	if r.goos == "linux" {
		files = append(files[:len(files):len(files)], "packaging/caddy.service")
	}
	for _, file := range files {
		if err := put(filepath.Base(file), file, 0o644); err != nil {
			return err
		}
	}
	return put(filepath.Base(r.binary), r.binary, 0o755)
}

// sums writes what `sha256sum -c SHA256SUMS` reads.
func sums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", h.Sum(nil), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(list.String()), 0o644)
}

// tool builds a program that packaging/tools names, once, and says where it is. It does not know where it was built, since its own hash stands in
// what cyclonedx-gomod writes.
func tool(name string) (string, error) {
	return output([]string{"GOFLAGS=-trimpath"}, "go", "-C", "packaging/tools", "tool", "-n", name)
}

func output(env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}

func closing(c io.Closer, err *error) {
	if e := c.Close(); *err == nil {
		*err = e
	}
}
