package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// CanMount says whether servers may have a disk of their own here: mounting one takes root, and a system that lets root do so.
func CanMount(t testing.TB) error {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	unmount(dir)
	return nil
}

// mount puts a disk of some MiB where the server's data are to be.
func (s *Server) mount(t testing.TB, size int) {
	t.Helper()
	who := runner(t)
	if who == nil {
		t.Fatal("only root can give a server a disk of its own")
	}
	err := os.Mkdir(s.data(), 0o700)
	if err == nil {
		err = syscall.Mount("tmpfs", s.data(), "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700,uid=%d,gid=%d", size, who.uid, who.gid))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.disk = true
}

func unmount(dir string) { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }

func (s *Server) ballast() string { return filepath.Join(s.data(), "ballast") }

// Fill takes all room that is left on the server's own disk, until [Server.Clear].
func (s *Server) Fill(t testing.TB) {
	t.Helper()
	f, err := os.Create(s.ballast())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err = f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal("the disk is not full: ", err)
	}
}

// Clear gives the room back. A server that has given up, as one does that has no room for its log, is started again.
func (s *Server) Clear(t testing.TB) {
	t.Helper()
	if err := os.Remove(s.ballast()); err != nil {
		t.Fatal(err)
	}
	if s.process.ended() {
		s.Start(t)
	}
}
