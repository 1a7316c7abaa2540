package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"modernc.org/sqlite"
)

func init() { children["faults"] = childFaults }

const most = 120 // events that a child with faults records

// childFaults records paid events, several at once, each again and again until it is acknowledged, as Ping++ would send it, and writes the
// ids of those to a file. Then it waits to be killed, or it kills itself when the disk fails.
func childFaults() int {
	file, round := os.Getenv("LEDGER_FILE"), os.Getenv("LEDGER_ROUND")
	acks, err := os.OpenFile(file+".acks", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return complain("acks", err)
	}
	if patience, err := time.ParseDuration(os.Getenv("LEDGER_PATIENCE")); err == nil {
		time.AfterFunc(patience, func() { fmt.Println("done") }) // what it can
	}
	log := zap.NewNop()
	var l *Ledger
	for {
		if l, err = Open(context.Background(), Options{File: file, Logger: log}); err == nil {
			break
		}
		fmt.Println("open:", err)
	}
	if os.Getenv("LEDGER_FSYNC") != "" {
		_, _ = sqlite.Fdatasync(false)
	}
	for {
		err = l.writeLax(context.Background(), func(t *tx) error {
			*l.inside.After, *l.inside.Rest = 15, 200
			if os.Getenv("LEDGER_FOLD") == "no" {
				*l.inside.After = math.MaxInt
			}
			return t.conn.Run("PRAGMA cache_size = 5", nil) // reads in the midst of a transaction, too
		})
		if err == nil {
			break
		}
		fmt.Println("set up:", err)
	}
	wanted, err := strconv.ParseInt(os.Getenv("LEDGER_WANTED"), 10, 64)
	if err != nil {
		wanted = most
	}
	var left atomic.Int64
	left.Store(wanted)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for n := 0; left.Add(-1) >= 0; n++ {
				id := fmt.Sprintf("evt_%s_%d_%d", round, i, n)
				for {
					_, err := l.Append(context.Background(), paid(id, 100+n*53%9000))
					if err == nil {
						break
					}
					if os.Getenv("LEDGER_DIE") != "" && errors.Is(err, errForce) && left.Load() < wanted/2 {
						_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // before it is made good
					}
					fmt.Println(id, err)
					time.Sleep(5 * time.Millisecond)
				}
				_, _ = acks.WriteString(id + "\n") // one write(2)
			}
		})
	}
	go func() {
		for {
			_, _ = claim(l) // reads, changes rows and is lax
			_, _ = l.NextDue(context.Background(), scope)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	wg.Wait()
	fmt.Println("done")
	select {}
}

// fault is what strace does to some calls. Its when counts the calls of each thread by itself.
type fault struct {
	calls, files string // of the ledger's files: those with these endings
	do           string
}

func (f fault) String() string { return f.calls + " of " + f.files + " " + f.do }

func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: it makes the disk fail; make deps installs it on Debian")
	}
}

// strace runs a child under it, with the arguments given, until it has done its work or dies, and kills it. It returns what the
// child said, and what strace did.
func strace(t *testing.T, file, round string, args ...string) (said, trace string) {
	t.Helper()
	needStrace(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	output := filepath.Join(t.TempDir(), "trace")
	self, err := os.Executable()
	must(t, err)
	// The tracer is a grandchild (-D), so that the process that is killed is our own child.
	cmd := exec.CommandContext(ctx, "strace", append(append([]string{"-D", "-f", "-y", "-e", "signal=none", "-o", output}, args...), self)...)
	cmd.Env = append(os.Environ(), "LEDGER_CHILD=faults", "LEDGER_FILE="+file, "LEDGER_ROUND="+round)
	out := &until{word: "done\n", found: func() { _ = cmd.Process.Kill() }}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // what it waits for is in what it says
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("not done in time; it said\n%s", out.text())
	}
	if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v\n%s", err, out.text())
	}
	b, err := os.ReadFile(output)
	must(t, err)
	return out.text(), string(b)
}

// until collects what is written, and calls a function when a word has come.
type until struct {
	mu    sync.Mutex
	all   bytes.Buffer
	word  string
	found func()
}

func (u *until) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	from := max(0, u.all.Len()-len(u.word))
	u.all.Write(b)
	if bytes.Contains(u.all.Bytes()[from:], []byte(u.word)) {
		u.found()
	}
	return len(b), nil
}

func (u *until) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all.String()
}

// acknowledged returns what children have had acknowledged.
func acknowledged(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file + ".acks")
	must(t, err)
	return strings.Fields(string(b))
}

// whole fails the test unless the ledger has all events that were acknowledged, each with all that belongs to it, and no half of another.
func whole(t *testing.T, l *Ledger, acks []string) {
	t.Helper()
	for _, id := range acks {
		if e, err := l.Event(t.Context(), scope, id); err != nil || len(e.Body) == 0 {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
	halves := number(t, l, `SELECT count(*) FROM events AS e WHERE NOT EXISTS (SELECT 1 FROM bodies WHERE event = e.seq)
		OR NOT EXISTS (SELECT 1 FROM charges AS c WHERE c.scope = e.scope AND c.id = e.charge_id AND c.paid)`)
	pending := number(t, l, `SELECT count(*) FROM events WHERE state = 'pending'`)
	counted := number(t, l, `SELECT coalesce((SELECT sum(n) FROM counts WHERE state = 'pending'), 0)`)
	if halves != 0 || pending != counted {
		t.Errorf("%d events without their payment; %d are pending, but %d are counted", halves, pending, counted)
	}
	sound(t, l)
}

// faults are one for each way in which a disk fails a running ledger.
var faults = []fault{
	{"fdatasync", "-wal", "error=EIO:when=3+6"},
	{"fdatasync", "-wal", "error=EIO:when=2..9"},
	{"fdatasync", "-wal", "error=ENOSPC:when=5+5"},
	{"fdatasync", "", "error=EIO:when=1+2"},
	{"fdatasync", "-wal", "delay_enter=30000:when=1+3"},
	{"fdatasync", "-wal", "signal=SIGKILL:when=6"},
	{"pwrite64", "-wal", "error=EIO:when=20+97"},
	{"pwrite64", "-wal", "error=ENOSPC:when=30..60"},
	{"pwrite64", "-wal", "signal=SIGKILL:when=100"},
	{"pwrite64", "", "error=EIO:when=5..40"},
	{"pread64", "", "error=EIO:when=12+31"},
	{"pread64", "-wal", "error=EIO:when=12+111"},
	{"fdatasync,ftruncate", "-wal", "error=EIO:when=2+7"},
	{"openat", "-wal,", "error=EMFILE:when=1..3"},
	{"fsync,fdatasync,pwrite64,pread64,ftruncate,openat", "-wal,,-shm", "error=EIO:when=50+97"},
}

// TestFaults: whatever the disk fails at, what was acknowledged is there after kill -9, whole, and what was refused is taken when it comes
// again. CRASH_FAULTS runs that many more, drawn at random; those among them at which a disk may fail more often than SQLite calls it for one
// transaction are given some time only.
func TestFaults(t *testing.T) {
	more, _ := strconv.Atoi(os.Getenv("CRASH_FAULTS"))
	all := slices.Clone(faults)
	for range more {
		f := faults[rand.N(len(faults))]
		f.do = f.do[:strings.Index(f.do, "when=")] + fmt.Sprintf("when=%d+%d", 1+rand.N(30), 5+rand.N(60))
		all = append(all, f)
	}
	for i, f := range all {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			file := newFile(t)
			must(t, openFileOnce(t, file))
			args := []string{"-e", "trace=" + f.calls, "-e", "inject=" + f.calls + ":" + f.do}
			for ending := range strings.SplitSeq(f.files, ",") {
				args = append(args, "-P", file+ending)
			}
			hard := i >= len(faults) && strings.Contains(f.calls, "64") // pages, of which a transaction has many
			if hard {
				args = append(args, "-E", "LEDGER_PATIENCE=20s")
			}
			said, trace := strace(t, file, "1", args...)
			acks := acknowledged(t, file)
			done := strings.Count(trace, "(INJECTED)") + strings.Count(trace, "(DELAYED)")
			deadly := strings.Contains(f.do, "SIGKILL")
			if (done == 0 && !deadly || len(acks) == most && deadly) && i < len(faults) {
				t.Error("there was no fault")
			}
			if len(acks) != most && !deadly && !hard {
				t.Errorf("%d acknowledged", len(acks))
			}
			whole(t, openFile(t, file), acks)
			if t.Failed() {
				t.Logf("%.3000s", said)
			}
			t.Logf("%d faults, %d refusals, %d acknowledged", done, strings.Count(said, "evt_"), len(acks))
		})
	}
}
