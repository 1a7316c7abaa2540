package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// injection is what strace does to some calls of a process.
type injection struct {
	do    string // as in strace's inject=, one or more. when counts the calls of each thread by itself
	files string // of the ledger's files: those with these endings
	fresh bool   // the process before ends with care, so that there is no -wal file to be read at the start: calls of this kind come later
	dead  bool   // nothing gets to the disk any more, so that nothing may be acknowledged
}

func (i injection) String() string { return i.do + " of " + i.files }

// injections are one for each way in which a disk fails a process that is at work. Those that come now and then come more rarely than a mend
// has calls, so that webhooks are taken all the same.
var injections = []injection{
	{do: "fdatasync:error=EIO:when=3+40", files: "-wal"},
	{do: "fdatasync:error=EIO:when=2..5", files: "-wal", fresh: true},
	{do: "fdatasync:error=ENOSPC:when=5+30", files: "-wal"},
	{do: "fdatasync:error=EIO:when=3+1", files: "-wal", dead: true},
	{do: "fdatasync:error=EIO:when=3..8", files: ",-wal", fresh: true},
	{do: "fdatasync:delay_enter=200000:when=1+3", files: "-wal"},
	{do: "pwrite64:error=EIO:when=20+499", files: "-wal", fresh: true},
	{do: "pwrite64:error=ENOSPC:when=30..60", files: "-wal"},
	{do: "pwrite64:delay_exit=20000:when=10+20", files: ",-wal", fresh: true},
	{do: "pread64:error=EIO:when=25+50", files: "", fresh: true},
	{do: "pread64:error=EIO:when=20+300", files: "-wal", fresh: true},
	{do: "fdatasync:error=EIO:when=4+40 ftruncate:error=EIO:when=1+3", files: "-wal", fresh: true},
	{do: "fdatasync:error=EIO:when=4+5 openat,?open:error=EMFILE:when=12+5", files: ",-wal", fresh: true},
	{do: "fsync,fdatasync,pwrite64,pread64,ftruncate,openat:error=EIO:when=300+997", files: ",-wal,-shm", fresh: true},
}

var nowAndThen = regexp.MustCompile(`when=\d+\+\d+`)

// deal chooses one of them, and for those that come now and then from which call on.
func deal(rnd *rand.Rand) injection {
	i := injections[rnd.IntN(len(injections))]
	if !i.dead {
		i.do = nowAndThen.ReplaceAllStringFunc(i.do, func(string) string { return fmt.Sprintf("when=%d+%d", 1+rnd.IntN(90), 200+rnd.IntN(800)) })
	}
	return i
}

// strace is the command that runs another one so, and notes what it does to those files; whatever forces them to the disk as well, so that
// it can be told what was acknowledged without that. The tracer is a grandchild (-D), so that the process stays our own child to kill.
func (i injection) strace(ledger, to string) []string {
	args := []string{"strace", "-D", "-f", "--seccomp-bpf", "-y", "-ttt", "-T", "-e", "signal=none", "-o", to}
	trace := "trace=fsync,fdatasync"
	for one := range strings.FieldsSeq(i.do) {
		calls, _, _ := strings.Cut(one, ":")
		trace += "," + calls
		args = append(args, "-e", "inject="+one)
	}
	args = append(args, "-e", trace)
	for ending := range strings.SplitSeq(i.files, ",") {
		args = append(args, "-P", ledger+ending)
	}
	return args
}

// canInject says whether disks can be made to fail here; where that needs something that could be installed it is an error.
func canInject(say func(string, ...any)) (bool, error) {
	if runtime.GOOS != "linux" {
		say("NOT CHECKED what becomes of events when the disk fails: strace is for Linux")
		return false, nil
	}
	if _, err := exec.LookPath("strace"); err != nil {
		return false, errors.New("strace is missing: it makes the disk fail; make deps installs it on Debian")
	}
	return true, nil
}

// traced is a process whose calls strace notes.
type traced struct {
	file     string
	log      bool      // those on the ledger's log among them
	from, to time.Time // to is zero while it lasts
}

var wentWrong = regexp.MustCompile(`(?m)^\d+ +[\d.]+ (?:<\.\.\. )?(\w+)(?:\(| resumed>).*\((?:INJECTED|DELAYED)\)`)

// injected adds the calls that went wrong to a count of each kind.
func (t traced) injected(calls map[string]int) error {
	text, err := os.ReadFile(t.file)
	if errors.Is(err, fs.ErrNotExist) { // strace has not begun yet
		return nil
	}
	for _, m := range wentWrong.FindAllSubmatch(text, -1) {
		calls[string(m[1])]++
	}
	return err
}

// watch returns what a new main process is to be run under, and notes that the one before is over.
func (c *conductor) watch(name string) (wrap []string) {
	now := time.Now()
	if n := len(c.traces); n > 0 && c.traces[n-1].to.IsZero() {
		c.traces[n-1].to = now
	}
	if c.ailing == nil {
		return nil
	}
	file := filepath.Join(c.site.dir, "trace."+name)
	c.traces = append(c.traces, traced{file: file, log: strings.Contains(c.ailing.files, "-wal"), from: now})
	return c.ailing.strace(c.site.ledger(), file)
}

// hurt begins the main process anew with a disk that fails, until the window ends.
func (c *conductor) hurt(ctx context.Context, s step, ports []int) error {
	c.ailing = &s.inject
	h := hurting{injection: s.inject, traces: len(c.traces)}
	_, h.refused = c.sender.lastAcked()
	c.begin(s, func(ctx context.Context) error { return c.heal(ctx, &h, ports) })
	end := c.term
	if !s.inject.fresh {
		end = func(ctx context.Context, ports []int) error { return c.again(ctx, c.ends(c.main), ports) }
	}
	err := end(ctx, ports)
	h.starting = c.injected(&h)
	return err
}

// hurting is a window in which the disk fails.
type hurting struct {
	injection
	traces   int            // which of the processes was the first
	refused  int            // webhooks, before
	starting map[string]int // calls that failed while the first one started
}

// injected counts the calls of each kind that went wrong, but for those at the start.
func (c *conductor) injected(h *hurting) map[string]int {
	calls := make(map[string]int)
	for _, t := range c.traces[h.traces:] {
		if err := t.injected(calls); err != nil {
			c.rep.faults.add("strace left no trace", "%v", err)
		}
	}
	for call, n := range h.starting {
		calls[call] -= n
	}
	return calls
}

// felt says whether each injection has happened.
func (h *hurting) felt(went map[string]int) bool {
	for one := range strings.FieldsSeq(h.do) {
		calls, _, _ := strings.Cut(one, ":")
		if !slices.ContainsFunc(strings.Split(calls, ","), func(call string) bool { return went[strings.TrimPrefix(call, "?")] > 0 }) {
			return false
		}
	}
	return true
}

// heal waits until a process at work has felt the fault, and what has to come of it did; then that is killed, and the next one's disk works.
func (c *conductor) heal(ctx context.Context, h *hurting, ports []int) error {
	patience := 5 * time.Second
	if c.steps != nil { // it is all about this one
		patience = startLimit
	}
	if c.ailing == nil || !c.within(ctx, patience, func() bool { return h.felt(c.injected(h)) }) {
		c.rep.unfelt++
	}
	at, acked := time.Now(), c.sender.count()
	if h.dead { // nothing may be taken: checkForced looks at what was
		c.within(ctx, startLimit, func() bool {
			_, refused := c.sender.lastAcked()
			return refused >= h.refused+20 || c.sender.count() >= acked+20
		})
	} else if !c.within(ctx, startLimit, func() bool { last, _ := c.sender.lastAcked(); return last.After(at) }) {
		c.rep.faults.add("no webhook was taken although the disk failed now and then only", "for %s from %s with %s", startLimit, at.Format(clock), h.injection)
	}
	_, refused := c.sender.lastAcked()
	c.ailing = nil
	if err := c.again(ctx, c.ends(c.main), ports); err != nil {
		return err
	}
	for _, n := range c.injected(h) {
		c.rep.injected += n
	}
	c.rep.refusedHurt += refused - h.refused
	at = time.Now()
	if !c.within(ctx, startLimit, func() bool { last, _ := c.sender.lastAcked(); return last.After(at) }) {
		c.rep.faults.add("no webhook was taken although the disk works again", "for %s from %s", startLimit, at.Format(clock))
	}
	return ctx.Err()
}

// checkForced looks for what a process with a failing disk has acknowledged although nothing was forced to the disk since it was sent. What was
// sent before, or came while there was a second process, may have been recorded by another one.
func (c *conductor) checkForced() error {
	for _, t := range c.traces {
		if !t.log {
			continue
		}
		forced, _, err := readTrace(t.file)
		if err != nil {
			return fmt.Errorf("what strace noted: %w", err)
		}
		for id, e := range c.sender.events {
			if e.first.Before(t.from) || e.acked.IsZero() || e.acked.After(t.to) || c.paired(e.first, e.acked) {
				continue
			}
			if !(span{unix(e.first), unix(e.acked)}).holds(forced) {
				c.rep.faults.add("acknowledged with nothing forced to the disk", "%s, sent at %s, acknowledged at %s", id, e.first.Format(clock), e.acked.Format(clock))
			}
		}
	}
	return nil
}

func (c *conductor) paired(from, to time.Time) bool {
	for _, w := range c.rep.windows {
		if w.fault == pair && w.from.Before(to) && from.Before(w.to) {
			return true
		}
	}
	return false
}

// checkAnswers looks for webhooks that got no answer from a process that was there all the time. A reload closes connections that do
// nothing, so one that was about to be used tells nothing; nor do those of a second process.
func (c *conductor) checkAnswers() {
	if c.rep.reloads > 0 || c.rep.of(pair) > 0 {
		return
	}
next:
	for _, s := range c.sender.silences {
		for _, r := range c.rep.restarts {
			if !r.ready.IsZero() && s.from <= unix(r.ready) && unix(r.ended) <= s.to {
				continue next
			}
		}
		c.rep.faults.add("a webhook got no answer", "from %.3f to %.3f", s.from, s.to)
	}
}
