package powercut

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// see has a new disk see a record, with ROOT for the folder.
func see(t *testing.T, root, record string) *Disk {
	t.Helper()
	moments, err := Read(strings.NewReader(strings.ReplaceAll(record, "ROOT", root)))
	if err != nil {
		t.Fatal(err)
	}
	d := New(root)
	for _, m := range moments {
		if err := d.See(m); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// left are the states that a power failure may leave, as the dice find them.
func left(d *Disk) (all []string) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var files []string
		image := d.After(dice)
		for _, path := range image.paths() {
			if image[path] != nil {
				files = append(files, fmt.Sprintf("%s=%s", path, strings.Trim(fmt.Sprintf("%q", image[path]), `"`)))
			}
		}
		all = append(all, strings.Join(files, " "))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

const made = `1 openat(AT_FDCWD</>, "/r/a", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3</r/a>
1 open("/r", O_RDONLY|O_CLOEXEC) = 4</r>
1 fsync(4</r>) = 0
`

// TestLeft: what was forced is there; of the rest there is whatever may be.
func TestLeft(t *testing.T) {
	for _, tt := range []struct {
		name, record string
		want         []string
	}{
		{"a new name", `1 openat(AT_FDCWD</>, "/r/a", O_RDWR|O_CREAT, 0600) = 3</r/a>
1 pwrite64(3</r/a>, "x", 1, 0) = 1
1 fdatasync(3</r/a>) = 0
`, []string{"", "a=x"}},
		{"a file that was there", `1 openat(AT_FDCWD</>, "/r/a", O_RDWR|O_CREAT, 0600) = -1 EACCES (Permission denied)
`, []string{""}},
		{"a write", made + `1 pwrite64(3</r/a>, "x", 1, 0) = 1
`, []string{"a=", "a=x"}},
		{"a write that is forced", made + `1 pwrite64(3</r/a>, "x", 1, 0) = 1
1 fdatasync(3</r/a>) = 0
`, []string{"a=x"}},
		{"an fsync that fails", made + `1 pwrite64(3</r/a>, "x", 1, 0) = 1
1 fdatasync(3</r/a>) = -1 EIO (Input/output error)
`, []string{"a=", "a=x"}},
		{"writes in any order", made + `1 pwrite64(3</r/a>, "x", 1, 0) = 1
1 pwrite64(3</r/a>, "y", 1, 1) = 1
`, []string{"a=", `a=\x00y`, "a=x", "a=xy"}},
		{"a write that ends after the fsync has begun", made + `1 pwrite64(3</r/a>, "x", 1, 0 <unfinished ...>
2 fdatasync(3</r/a> <unfinished ...>
1 <... pwrite64 resumed>) = 1
2 <... fdatasync resumed>) = 0
`, []string{"a=", "a=x"}},
		{"a write that ends before it begins", made + `1 pwrite64(3</r/a>, "x", 1, 0 <unfinished ...>
1 <... pwrite64 resumed>) = 1
2 fdatasync(3</r/a> <unfinished ...>
2 <... fdatasync resumed>) = 0
`, []string{"a=x"}},
		{"an fsync that never ends", made + `1 pwrite64(3</r/a>, "x", 1, 0) = 1
2 fdatasync(3</r/a> <unfinished ...>
2 +++ killed by SIGKILL +++
`, []string{"a=", "a=x"}},
		{"a write in which the process dies, and another over it", made + `1 pwrite64(3</r/a>, "xx", 2, 0 <unfinished ...>
1 +++ killed by SIGKILL +++
2 pwrite64(5</r/a>, "y", 1, 0) = 1
2 fdatasync(5</r/a>) = 0
`, []string{"a=y", "a=yx"}},
		{"a size", made + `1 pwrite64(3</r/a>, "xy", 2, 0) = 2
1 fdatasync(3</r/a>) = 0
1 ftruncate(3</r/a>, 1) = 0
`, []string{"a=x", "a=xy"}},
		{"a name that goes", made + `1 unlink("/r/a") = 0
1 pwrite64(3</r/a>(deleted), "x", 1, 0) = 1
`, []string{"", "a="}},
		{"another name", made + `1 renameat(AT_FDCWD</>, "/r/a", AT_FDCWD</>, "/r/b") = 0
`, []string{"a=", "b="}},
		{"a folder", `1 mkdirat(AT_FDCWD</r>, "f", 0700) = 0
1 openat(AT_FDCWD</>, "/r/f/a", O_RDWR|O_CREAT, 0600) = 3</r/f/a>
1 fsync(4</r/f>) = 0
`, []string{"", "f/a="}},
		{"elsewhere", `1 openat(AT_FDCWD</>, "/rr/a", O_RDWR|O_CREAT, 0600) = 3</rr/a>
1 write(3</rr/a>, "x", 1) = 1
`, []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := left(see(t, "/r", tt.record)); !slices.Equal(got, tt.want) {
				t.Errorf("left is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTorn: a write of several sectors may be there in part, each sector whole.
func TestTorn(t *testing.T) {
	d := see(t, "/r", made+`1 pwrite64(3</r/a>, "`+strings.Repeat("a", 500)+strings.Repeat("b", 512)+strings.Repeat("c", 100)+`", 1112, 12) = 1112
`)
	kinds := make(map[string]int)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		b := d.After(dice)["a"]
		kind := ""
		for _, c := range "abc" {
			switch n := strings.Count(string(b), string(c)); n {
			case 0:
			case 500, 512, 100:
				kind += string(c)
			default:
				t.Fatalf("%d of %c", n, c)
			}
		}
		kinds[kind]++
	}
	if len(kinds) != 8 {
		t.Errorf("of three sectors there are %v", kinds)
	}
}

// TestReadText: strace writes bytes as C does.
func TestReadText(t *testing.T) {
	moments, err := Read(strings.NewReader(`7 write(9<TCP:[127.0.0.1:80->127.0.0.1:5000]>, "\0\0001\377\"\\a\n\33\177, ) = 5", 11) = 11
7 write(9<UNIX-STREAM:[1->2, "/x"]>, "y", 1 <unfinished ...>
8 futex(0x1, FUTEX_WAKE) = 1
7 <... write resumed>) = ? ERESTARTSYS (To be restarted)
7 fsync(9<anon_inode:[eventpoll]>) = -1 EINVAL (Invalid argument)
8 pwrite64(9</f>, "z", 1, 0) = -1 (errno 18446744073709551598)
7 write(9</f>, "cut o`))
	if err != nil || len(moments) != 8 {
		t.Fatalf("%d moments, %v", len(moments), err)
	}
	if w := moments[0]; w.File != "TCP:[127.0.0.1:80->127.0.0.1:5000]" || string(w.Data) != "\x00\x001\xff\"\\a\n\x1b\x7f, ) = 5" || w.Result != 11 || moments[0].End || !moments[1].End {
		t.Errorf("%+v is %+v", w, w.Call)
	}
	if w := moments[2]; string(w.Data) != "y" || w.End {
		t.Errorf("%+v", w.Call)
	}
	if f := moments[6]; !f.End || !f.Failed {
		t.Errorf("%+v", f.Call)
	}
	if p := moments[7]; string(p.Data) != "z" || p.End {
		t.Errorf("%+v", p.Call)
	}
	if _, err := Read(strings.NewReader("7 write(9</f>, \"x\"..., 11) = 11\n")); err == nil {
		t.Error("a text that is cut off is no error")
	}
}

// TestImage: an image is written as it is, and what differs is named.
func TestImage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "image")
	image := Image{"": nil, "f": nil, "f/a": []byte("x"), "f/b": {}}
	if err := image.Write(dir); err != nil {
		t.Fatal(err)
	}
	all := func(string) bool { return false }
	if err := image.Differs(dir, all); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f", "a"), []byte("y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := image.Differs(dir, all); err == nil || !strings.Contains(err.Error(), "f/a") {
		t.Errorf("another byte: %v", err)
	}
	if err := image.Differs(dir, func(path string) bool { return path == "f/a" }); err != nil {
		t.Error(err)
	}
	if (Image{"": nil}).Sum() == (Image{"": {}}).Sum() || image.Sum() == (Image{"": nil, "f": nil, "f/a": []byte("y"), "f/b": {}}).Sum() {
		t.Error("images that differ have one sum")
	}
}
