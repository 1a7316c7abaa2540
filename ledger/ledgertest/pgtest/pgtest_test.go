package pgtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// number asks a database one thing on a connection of its own.
func number(t *testing.T, dsn, text string) (n int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return 0, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // PgBouncer knows no prepared statements
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, text).Scan(&n)
	return n, err
}

func want(t *testing.T, dsn, text string, want int) {
	t.Helper()
	n, err := number(t, dsn, text)
	if err != nil || n != want {
		t.Fatalf("%s: %d, %v, want %d", text, n, err, want)
	}
}

// Every test has a database of its own, empty or as it was prepared; one that is lent is lent again when it was emptied.
func TestDatabases(t *testing.T) {
	s := Shared(t)
	a, b := s.DSN(t), s.DSN(t)
	if a == b || s != Shared(t) {
		t.Fatal("two tests meet in a database, or have two servers")
	}
	made := 0
	lend := func(t *testing.T) string {
		return s.Lend(t, "x", func(dsn string) error {
			made++
			return exec1(t, dsn, "CREATE TABLE x (n integer)")
		}, func(dsn string) error { return exec1(t, dsn, "DELETE FROM x") })
	}
	for range 2 {
		t.Run("lent", func(t *testing.T) {
			c, d := lend(t), lend(t)
			for dsn, rows := range map[string]int{c: 1, d: 2} {
				for range rows {
					if err := exec1(t, dsn, "INSERT INTO x VALUES (7)"); err != nil {
						t.Fatal(err)
					}
				}
			}
			want(t, c, "SELECT count(*) FROM x", 1)
			want(t, s.PgBouncer(t).DSN(t, d), "SELECT count(*) FROM x", 2)
		})
	}
	if made != 2 {
		t.Fatalf("%d databases were made", made)
	}
}

func exec1(t *testing.T, dsn, text string) error {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, text)
	return err
}

// What was committed is there after kill -9, and on the standby that takes over.
func TestKillAndFailover(t *testing.T) {
	s := Start(t, Options{})
	dsn := s.DSN(t)
	standby := s.Standby(t, "second")
	s.Set(t, "synchronous_standby_names", "second")
	if err := exec1(t, dsn, "CREATE TABLE x AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	if _, err := number(t, dsn, "SELECT n FROM x"); err == nil {
		t.Fatal("a dead server answers")
	}
	s.Start(t)
	want(t, dsn, "SELECT n FROM x", 1)
	s.Set(t, "synchronous_standby_names", "")
	if err := exec1(t, dsn, "UPDATE x SET n = 2"); err != nil {
		t.Fatal(err)
	}
	s.Follows(t, standby)
	s.Kill(t)
	standby.Promote(t)
	want(t, strings.ReplaceAll(dsn, name(s), name(standby)), "WITH w AS (SELECT 2) SELECT n FROM x", 2)
}

func name(s *Server) string { return strings.Split(s.URL("x"), "?")[1] }

// The network between can break, hang and be slow.
func TestProxy(t *testing.T) {
	p := NewProxy(t, Shared(t).DSN(t))
	want(t, p.DSN(), "SELECT 1", 1)
	p.Cut()
	if _, err := number(t, p.DSN(), "SELECT 1"); err == nil {
		t.Fatal("it is cut, and answers")
	}
	p.Heal()
	conn, err := pgx.Connect(t.Context(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	for _, hang := range []func(){p.Swallow, p.SwallowAnswers} {
		hang()
		answered := make(chan error, 1)
		go func() {
			_, err := conn.Exec(context.WithoutCancel(t.Context()), "SELECT 1")
			answered <- err
		}()
		select {
		case err := <-answered:
			t.Fatal("it hangs, and answers", err)
		case <-time.After(50 * time.Millisecond):
		}
		p.Heal()
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	const slow = 30 * time.Millisecond
	p.Delay(slow)
	began := time.Now()
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil || time.Since(began) < 2*slow {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	p.Break()
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Fatal("a broken connection answers")
	}
}

// A process of tests that is killed leaves no server behind, and no file.
func TestNothingStays(t *testing.T) {
	const key = "PGTEST_DIES"
	if os.Getenv(key) != "" {
		s := Shared(t)
		if _, err := os.Stdout.WriteString("dir " + s.dir + "\n"); err != nil {
			t.Fatal(err)
		}
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNothingStays$")
	cmd.Env = append(os.Environ(), key+"=1")
	out, _ := cmd.CombinedOutput()
	_, dir, ok := strings.Cut(string(out), "dir ")
	dir, _, _ = strings.Cut(dir, "\n")
	if !ok {
		t.Fatalf("%s", out)
	}
	until(t, func() error {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			return errors.New(dir + " is still there")
		}
		return nil
	}, "/dev/null")
}
