package powercut

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// Disk is one that had an empty folder, and then saw calls.
type Disk struct {
	root  string
	top   *node
	clock int
	begun map[*Call]begun
}

// New returns one whose folder is root. What happens elsewhere does not count.
func New(root string) *Disk {
	return &Disk{root: filepath.Clean(root), top: newFolder(), begun: make(map[*Call]begun)}
}

// node is a file, or a folder.
type node struct {
	bytes []byte // that are on the disk for sure
	open  []*op  // what the system is free to put there, or not

	names map[string]*node // of a folder: what a process finds; nil: a file
	sure  map[string]*node // those that are on the disk for sure
	moves []*move          // likewise free
}

func newFolder() *node { return &node{names: make(map[string]*node), sure: make(map[string]*node)} }

// op is a write, or a new size.
type op struct {
	at    int64
	bytes []byte // nil: the file has the size at
	ended int    // 0: not yet
}

// move gives names their nodes, all at once; nil: none.
type move struct {
	names map[string]*node
	ended int
}

// begun is a call that has not ended.
type begun struct {
	node *node
	op   *op
	at   int
}

// sector is what a disk writes whole or not at all.
const sector = 512

// find returns what a path leads to, and the folder that the last name is in; nil where there is none.
func (d *Disk) find(path string) (folder *node, name string, found *node) {
	if path == d.root {
		return nil, "", d.top
	}
	below, ok := strings.CutPrefix(path, d.root+"/")
	if !ok {
		return nil, "", nil
	}
	found = d.top
	for _, name = range strings.Split(below, "/") {
		if folder = found; folder == nil || folder.names == nil {
			return nil, "", nil
		}
		found = folder.names[name]
	}
	return folder, name, found
}

// Names reports whether the moment is about the folder or what is in it.
func (d *Disk) Names(m Moment) bool { return m.File == d.root || strings.HasPrefix(m.File, d.root+"/") }

// See takes in a moment.
func (d *Disk) See(m Moment) error {
	d.clock++
	if !d.Names(m) {
		return nil
	}
	switch m.Name {
	case "pwrite64", "ftruncate", "fdatasync", "fsync":
		if m.End {
			d.ends(m.Call)
		} else {
			d.begins(m.Call)
		}
	case "write":
		return fmt.Errorf("%s is written to with write: where is not in the record", m.File)
	default:
		if m.End && !m.Failed {
			return d.names(m.Call)
		}
	}
	return nil
}

func (d *Disk) begins(c *Call) {
	_, _, n := d.find(c.File)
	if n == nil {
		return // removed: nobody finds it again
	}
	b := begun{node: n, at: d.clock}
	switch c.Name {
	case "pwrite64":
		b.op = &op{at: c.At, bytes: c.Data}
	case "ftruncate":
		b.op = &op{at: c.At}
	}
	if b.op != nil {
		n.open = append(n.open, b.op)
	}
	d.begun[c] = b
}

func (d *Disk) ends(c *Call) {
	b, ok := d.begun[c]
	delete(d.begun, c)
	switch {
	case !ok:
	case b.op == nil && !c.Failed:
		b.node.force(b.at)
	case b.op == nil: // what it would have forced stays open
	case c.Failed:
		b.node.open = slices.DeleteFunc(b.node.open, func(o *op) bool { return o == b.op })
	default:
		if b.op.bytes != nil {
			b.op.bytes = b.op.bytes[:c.Result]
		}
		b.op.ended = d.clock
	}
}

// force puts on the disk what had ended before a time.
func (n *node) force(before int) {
	var open []*op
	for _, o := range n.open {
		if o.ended == 0 || o.ended >= before {
			open = append(open, o)
			continue
		}
		n.bytes = o.apply(n.bytes)
		var left []*op // of those before it: a process that was killed in the midst of a write has never ended it
		for _, earlier := range open {
			left = append(left, earlier.under(o)...)
		}
		open = left
	}
	n.open = open
	n.moves = slices.DeleteFunc(n.moves, func(m *move) bool {
		if m.ended >= before {
			return false
		}
		m.apply(n.sure)
		return true
	})
}

func (o *op) apply(b []byte) []byte {
	if o.bytes == nil {
		return append(b, make([]byte, max(0, int(o.at)-len(b)))...)[:o.at]
	}
	b = append(b, make([]byte, max(0, int(o.at)+len(o.bytes)-len(b)))...)
	copy(b[o.at:], o.bytes)
	return b
}

// under is what a later write leaves of one.
func (o *op) under(later *op) (left []*op) {
	from, to := later.at, later.at+int64(len(later.bytes))
	end := o.at + int64(len(o.bytes))
	if o.bytes == nil || end <= from || to <= o.at {
		return []*op{o}
	}
	if o.at < from {
		left = append(left, &op{o.at, o.bytes[:from-o.at], o.ended})
	}
	if to < end {
		left = append(left, &op{to, o.bytes[to-o.at:], o.ended})
	}
	return left
}

func (m *move) apply(names map[string]*node) {
	for name, n := range m.names {
		if n == nil {
			delete(names, name)
		} else {
			names[name] = n
		}
	}
}

// names is what a call has done to a folder.
func (d *Disk) names(c *Call) error {
	folder, name, found := d.find(c.File)
	changes := make(map[string]*node)
	switch c.Name {
	case "open", "openat":
		if found != nil && c.Empty {
			found.open = append(found.open, &op{ended: d.clock})
		}
		if found != nil || !c.Create {
			return nil
		}
		changes[name] = &node{}
	case "mkdir", "mkdirat":
		changes[name] = newFolder()
	case "unlink", "unlinkat", "rmdir":
		changes[name] = nil
	case "rename", "renameat", "renameat2":
		to, other, _ := d.find(c.To)
		if to != folder {
			return fmt.Errorf("%s gets a name in another folder, %s: that is not looked at", c.File, c.To)
		}
		changes[name], changes[other] = nil, found
	default:
		return fmt.Errorf("%s of %s is not looked at", c.Name, c.File)
	}
	if folder == nil {
		return fmt.Errorf("%s of %s, whose folder is not in the record", c.Name, c.File)
	}
	m := &move{changes, d.clock}
	m.apply(folder.names)
	folder.moves = append(folder.moves, m)
	return nil
}

// After is what is found if the power fails now. Everything forced is there, and of all else what the dice say: names, new sizes, whole writes and
// single sectors of them, in any order. Without dice it is everything.
func (d *Disk) After(dice *rand.Rand) Image {
	image := make(Image)
	d.top.after(dice, "", image)
	return image
}

func (n *node) after(dice *rand.Rand, path string, image Image) {
	if n.names == nil {
		image[path] = n.content(dice)
		return
	}
	image[path] = nil
	names := make(map[string]*node, len(n.sure))
	for name, n := range n.sure {
		names[name] = n
	}
	some := draw(dice)
	for _, m := range n.moves {
		if some(dice) {
			m.apply(names)
		}
	}
	for _, name := range sorted(names) { // the dice fall in this order
		names[name].after(dice, filepath.Join(path, name), image)
	}
}

func sorted(names map[string]*node) (list []string) {
	for name := range names {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// draw decides how lucky a file is, and returns whether the next thing about it is on the disk.
func draw(dice *rand.Rand) func(*rand.Rand) bool {
	if dice == nil {
		return func(*rand.Rand) bool { return true }
	}
	chance := []float64{0, 0, 0.1, 0.5, 0.5, 0.9, 1, 1}[dice.IntN(8)]
	return func(dice *rand.Rand) bool { return dice.Float64() < chance }
}

func (n *node) content(dice *rand.Rand) []byte {
	b := append([]byte{}, n.bytes...) // never nil
	some, sizes := draw(dice), draw(dice)
	torn := dice != nil && dice.IntN(3) == 0
	last := len(n.open) // a disk that writes in order comes this far
	if dice != nil && dice.IntN(4) == 0 {
		some, torn = draw(nil), true
		last = dice.IntN(len(n.open) + 1)
	}
	for i, o := range n.open {
		switch {
		case i > last:
			return b
		case o.bytes == nil:
			if sizes(dice) {
				b = o.apply(b)
			}
		case torn && (last == len(n.open) || i == last):
			b = o.torn(b, dice)
		case some(dice):
			b = o.apply(b)
		}
	}
	return b
}

// torn applies some sectors of a write.
func (o *op) torn(b []byte, dice *rand.Rand) []byte {
	for from := o.at; from < o.at+int64(len(o.bytes)); {
		to := min(from/sector*sector+sector, o.at+int64(len(o.bytes)))
		if dice.IntN(2) == 0 {
			b = (&op{at: from, bytes: o.bytes[from-o.at : to-o.at]}).apply(b)
		}
		from = to
	}
	return b
}

// Open is how much is open: writes, sizes and names.
func (d *Disk) Open() int { return d.top.count() }

func (n *node) count() int {
	sum := len(n.open) + len(n.moves)
	for _, below := range n.names {
		sum += below.count()
	}
	return sum
}
