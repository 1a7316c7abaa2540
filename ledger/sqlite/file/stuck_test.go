package file_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func init() { children["read"] = childRead }

// childRead reads the ledger until it is killed.
func childRead() int {
	c, err := sqlite.OpenConn(os.Getenv("LEDGER_FILE"), sqlite.OpenReadWrite)
	if err == nil {
		err = sqlitex.ExecuteScript(c, "PRAGMA query_only = 1", nil)
	}
	if err == nil {
		err = sqlitex.ExecuteTransient(c, "BEGIN", nil)
	}
	if err == nil {
		err = sqlitex.ExecuteTransient(c, "SELECT count(*) FROM events", nil)
	}
	if err != nil {
		return complain("read", err)
	}
	fmt.Println("reading")
	time.Sleep(time.Hour) // it is killed
	return 0
}

// A program that goes on reading keeps the -wal file from beginning anew: once that is for long and the file is large, one warning says who, how
// long and how large; so does a line when it is over.
func TestStuckLog(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l, err := Open(t.Context(), Options{File: newFile(t), Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	appendMany(t, l, "evt_before", 50)
	child, lines := startChild(t, "read", l.file)
	gone := false
	end := func() {
		if !gone {
			gone = true
			must(t, child.Process.Kill())
			_ = child.Wait()
		}
	}
	defer end()
	if !lines.Scan() || lines.Text() != "reading" {
		t.Fatalf("the child says %q", lines.Text())
	}
	const large = 1 << 20
	look, now := l.inside.Stuck(large, time.Minute), time.Now()
	tell := func(what string) int { return logs.FilterMessageSnippet(what).Len() }
	look(now)
	for n := 0; ; n++ {
		appendMany(t, l, fmt.Sprintf("evt_%d_", n), 200)
		l.inside.Fold()
		if info, err := os.Stat(l.file + "-wal"); err != nil || info.Size() > 2*large {
			must(t, err)
			break
		}
	}
	look(now.Add(59 * time.Second))
	if tell("cannot begin anew") != 0 {
		t.Error("warned before it is for long")
	}
	look(now.Add(61 * time.Second))
	if tell("cannot begin anew") != 0 {
		t.Error("warned although nothing was written since")
	}
	for i := range 3 {
		appendMany(t, l, fmt.Sprintf("evt_more%d_", i), 50)
		look(now.Add(time.Duration(70+i) * time.Second))
	}
	warned := logs.FilterMessageSnippet("cannot begin anew").All()
	if len(warned) != 1 || warned[0].Level != zap.WarnLevel {
		t.Fatalf("logged %v", logs.All())
	}
	fields := warned[0].ContextMap()
	if fields["bytes"].(int64) < large || fields["for"] != 70*time.Second {
		t.Errorf("it says %v", fields)
	}
	if pids := fmt.Sprint(fields["processes"]); runtime.GOOS == "linux" && pids != fmt.Sprint([]int{child.Process.Pid}) {
		t.Errorf("it names the processes %s, not %d", pids, child.Process.Pid)
	}
	end()
	must(t, l.write(t.Context(), func(*tx) error { *l.inside.Rest = 0; return nil }))
	eventually(t, "the file begins anew", func() bool {
		l.inside.Fold()
		appendMany(t, l, fmt.Sprintf("evt_after%d_", now.UnixNano()), 1)
		now = now.Add(time.Second)
		look(now.Add(2 * time.Minute))
		return tell("has begun anew") == 1
	})
}

// A backup or check of this process is no other program that somebody should end.
func TestStuckLogOfOurOwn(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l, err := Open(t.Context(), Options{File: newFile(t), Logger: zap.New(core)})
	must(t, err)
	defer l.Close()
	_, done := l.inside.TakeLong(t.Context())
	defer done()
	look, now := l.inside.Stuck(0, 0), time.Now()
	appendMany(t, l, "evt_1", 50)
	look(now)
	appendMany(t, l, "evt_2", 50)
	look(now.Add(time.Second))
	if logs.FilterMessageSnippet("until the backup or check").Len() != 1 || logs.FilterMessageSnippet("cannot begin anew").Len() != 0 {
		t.Errorf("logged %v", logs.All())
	}
}
