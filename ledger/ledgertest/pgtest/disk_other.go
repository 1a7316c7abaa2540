//go:build !linux

package pgtest

import (
	"errors"
	"testing"
)

// CanMount says whether servers may have a disk of their own here.
func CanMount(testing.TB) error { return errors.New("disks are mounted for tests on Linux only") }

func (s *Server) mount(t testing.TB, _ int) { t.Helper(); t.Fatal(CanMount(t)) }

func unmount(string) {}

// Fill takes all room that is left on the server's own disk.
func (s *Server) Fill(t testing.TB) { t.Helper(); t.Fatal(CanMount(t)) }

// Clear gives the room back.
func (s *Server) Clear(t testing.TB) { t.Helper(); t.Fatal(CanMount(t)) }
