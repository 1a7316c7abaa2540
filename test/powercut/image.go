package powercut

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what is found after a power failure: bytes by path below the folder; of a folder nil.
type Image map[string][]byte

// Sum is the same for images that are.
func (i Image) Sum() [sha256.Size]byte {
	h := sha256.New()
	for _, path := range i.paths() {
		fmt.Fprintf(h, "%q %d %t\n", path, len(i[path]), i[path] == nil)
		_, _ = h.Write(i[path])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (i Image) paths() (list []string) {
	for path := range i {
		list = append(list, path)
	}
	slices.Sort(list) // a folder before what is in it
	return list
}

// String lists the files.
func (i Image) String() string {
	var b strings.Builder
	for _, path := range i.paths() {
		if i[path] == nil {
			fmt.Fprintf(&b, " %s/", path)
			continue
		}
		fmt.Fprintf(&b, " %s (%d bytes)", path, len(i[path]))
	}
	return b.String()
}

// Write makes the image in a folder that does not exist yet.
func (i Image) Write(folder string) error {
	for _, path := range i.paths() {
		to := filepath.Join(folder, path)
		var err error
		if i[path] == nil {
			err = os.Mkdir(to, 0o700)
		} else {
			err = os.WriteFile(to, i[path], 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Differs says where a folder is not like the image: nothing but an error when it is. A file that skip names is left out.
func (i Image) Differs(folder string, skip func(path string) bool) error {
	there := make(Image)
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if below == "." {
			below = ""
		}
		if e.IsDir() {
			there[below] = nil
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		there[below], err = io.ReadAll(f)
		return err
	})
	if err != nil {
		return err
	}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(append(i.paths(), there.paths()...)))) {
		want, in := i[path]
		got, is := there[path]
		if in != is || !skip(path) && !slices.Equal(want, got) {
			return fmt.Errorf("%s is not what the calls have made of it: %t and %t, %d bytes and %d", filepath.Join(folder, path), is, in, len(got), len(want))
		}
	}
	return nil
}
