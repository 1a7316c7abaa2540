package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is one that this run has started.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	logged string // its log's file
	done   chan struct{}
}

// spawn starts a program below its own folder. What it logs goes into a file, as with a service.
func (s *stage) spawn(name, program string, args []string, env ...string) (*process, error) {
	dir := s.file(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "Caddyfile")); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(filepath.Join(dir, "pingpp.pub.pem"), s.signer.publicPEM(), 0o600); err != nil {
			return nil, err
		}
	}
	p := &process{cmd: exec.CommandContext(s.ctx, program, args...), logged: filepath.Join(dir, "log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logged, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir, p.cmd.Stderr = dir, log
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, env...)
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	s.processes = append(s.processes, p)
	return p, nil
}

func (p *process) firstLine() (string, error) { return p.stdout.ReadString('\n') }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) log() string {
	text, _ := os.ReadFile(p.logged)
	return string(text[max(0, len(text)-3000):])
}

// stop ends the process as an operator would, and waits for it.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(os.Interrupt) // fails when it has ended
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// memory is what the process has in memory now, in bytes; 0 where the system does not say.
func (p *process) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, _ := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// cpu is how much time the process has had on a CPU; 0 where the system does not say.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // Linux counts in hundredths for everybody
}

// cpuEach is what each request of a run took of it since before, in microseconds. A machine that stands still for a short round answers none.
func (p *process) cpuEach(before time.Duration, r *run) float64 {
	return float64((p.cpu() - before).Microseconds()) / float64(max(1, r.ok))
}

// watchMemory returns a function that ends the watch and returns the most that the process had in memory meanwhile.
func (p *process) watchMemory() func() int64 {
	end, most := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		peak := p.memory()
		for {
			select {
			case <-tick.C:
				peak = max(peak, p.memory())
			case <-end:
				most <- max(peak, p.memory())
				return
			}
		}
	}()
	return func() int64 {
		close(end)
		return <-most
	}
}
