package desk

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of a fault.
const (
	MaxTimes = 1_000_000
	MaxDelay = time.Hour
)

const maxFaults = 1000

// Fault is a switch: the next Times calls of an operation go wrong in its way.
type Fault struct {
	On, Name string
	Times    int
	Delay    time.Duration // 0: the fault's own default
}

// Kinds are the faults that an operation can suffer.
type Kinds struct {
	Names []string
	Codes *regexp.Regexp // names that are too many to list; nil: there are none
	More  string         // says of those, after the list: ", or …"
}

func (k Kinds) has(name string) bool {
	return slices.Contains(k.Names, name) || k.Codes != nil && k.Codes.MatchString(name)
}

// Faults are the switches of all services, and how often each operation was called. It is safe for concurrent use; of the services'
// locks its own is taken last.
type Faults struct {
	kinds map[string]Kinds // by operation

	mu    sync.Mutex // guards all below
	set   []*Fault
	calls map[string]int
}

// NewFaults returns switches for the operations of services, none of them set.
func NewFaults(services ...map[string]Kinds) *Faults {
	fs := &Faults{kinds: map[string]Kinds{}, calls: map[string]int{}}
	for _, kinds := range services {
		maps.Copy(fs.kinds, kinds)
	}
	return fs
}

// Set makes the next calls of an operation fail. Faults of one operation take effect in the order they were set. The error of an
// unknown name lists what there is.
func (fs *Faults) Set(f Fault) error {
	kinds, ok := fs.kinds[f.On]
	switch {
	case !ok:
		return fmt.Errorf("sandbox: faults on %q do not exist: write on as one of %s", f.On, strings.Join(slices.Sorted(maps.Keys(fs.kinds)), ", "))
	case !kinds.has(f.Name):
		return fmt.Errorf("sandbox: %s has no fault %q: write one of %s%s", f.On, f.Name, strings.Join(kinds.Names, ", "), kinds.More)
	case f.Times < 1 || f.Times > MaxTimes:
		return fmt.Errorf("sandbox: a fault of %d times: write times from 1 to %d", f.Times, MaxTimes)
	case f.Delay < 0 || f.Delay > MaxDelay:
		return fmt.Errorf("sandbox: a delay of %v: write delay_ms from 0 to %d", f.Delay, MaxDelay.Milliseconds())
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.set) >= maxFaults {
		return fmt.Errorf("sandbox: %d faults are waiting already: clear them with DELETE /sandbox/faults", maxFaults)
	}
	fs.set = append(fs.set, &f)
	return nil
}

// Clear forgets all faults that have not happened yet.
func (fs *Faults) Clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.set = nil
}

// Take uses up one time of the oldest fault on an operation, of those with one of the names.
func (fs *Faults) Take(on string, names []string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.take(on, func(f *Fault) bool { return slices.Contains(names, f.Name) })
}

// Call counts a call of an operation and takes its fault, of those with one of the names or, where none is given, of all.
func (fs *Faults) Call(on string, names ...string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.calls[on]++
	return fs.take(on, func(f *Fault) bool { return len(names) == 0 || slices.Contains(names, f.Name) })
}

func (fs *Faults) take(on string, is func(*Fault) bool) (Fault, bool) {
	i := slices.IndexFunc(fs.set, func(f *Fault) bool { return f.On == on && is(f) })
	if i < 0 {
		return Fault{}, false
	}
	f := fs.set[i]
	if f.Times--; f.Times == 0 {
		fs.set = slices.Delete(fs.set, i, i+1)
	}
	return *f, true
}

// Left are the faults that have not happened as often as they should.
func (fs *Faults) Left() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := make([]Fault, 0, len(fs.set))
	for _, f := range fs.set {
		out = append(out, *f)
	}
	return out
}

// Calls says how often each operation was called.
func (fs *Faults) Calls() map[string]int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return maps.Clone(fs.calls)
}

// OrDefault is the delay of a fault, or what it is where none was asked for.
func (f Fault) OrDefault(normal time.Duration) time.Duration {
	if f.Delay == 0 {
		return normal
	}
	return f.Delay
}
