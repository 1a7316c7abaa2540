package file_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddypay/caddypay/ledger"
)

// children are what the test binary does when it is started as a child process of a test.
var children = map[string]func() int{"append": childAppend, "turns": childTurns, "look": childLook}

// startChild starts the test binary again; the returned lines end when the child has.
func startChild(t *testing.T, name, file string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LEDGER_CHILD="+name, "LEDGER_FILE="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// childAppend appends from 16 goroutines for ever and prints the id of each event that was acknowledged.
func childAppend() int {
	l, err := Open(context.Background(), Options{File: os.Getenv("LEDGER_FILE")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for i := range 16 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("evt_%d_%d_%d", os.Getpid(), i, n)
				if _, err := l.Append(context.Background(), newEvent(id)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString(id + "\n") // one write(2): the pipe has it when this returns
			}
		}()
	}
	select {}
}

// TestKill kills a process in the midst of its writing, several times over one file: what was acknowledged is there, whole.
func TestKill(t *testing.T) {
	file := newFile(t)
	var acknowledged []string
	for round := range 5 {
		cmd, lines := startChild(t, "append", file)
		for n := 0; lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
			if n == 200+137*round {
				must(t, cmd.Process.Kill())
			}
		}
		if err := cmd.Wait(); !strings.Contains(fmt.Sprint(err), "killed") {
			t.Fatalf("child: %v", err)
		}
	}
	l := openFile(t, file)
	for _, id := range acknowledged {
		e, err := l.Event(t.Context(), scope, id)
		if err != nil || e.State != ledger.Pending || string(e.Body) != "body of "+id {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
	due, err := l.NextDue(t.Context(), scope)
	if err != nil || due.Pending < int64(len(acknowledged)) || due.Pending > int64(len(acknowledged)+5*16) {
		t.Errorf("%d pending, %d acknowledged, %v", due.Pending, len(acknowledged), err)
	}
	sound(t, l)
	t.Logf("%d events acknowledged", len(acknowledged))
}

// TestSharedWithChild appends beside another process.
func TestSharedWithChild(t *testing.T) {
	file := newFile(t)
	l := openFile(t, file)
	cmd, lines := startChild(t, "append", file)
	for n := 0; lines.Scan(); n++ {
		if n < 200 {
			appendEvents(t, l, fmt.Sprint("evt_", n))
		}
		if _, err := l.Event(t.Context(), scope, lines.Text()); err != nil {
			t.Errorf("another process's event: %v", err)
		}
		if n == 200 {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait()
	appendEvents(t, l, "evt_last")
}
