package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"go.uber.org/zap"
)

// preparing is held while a file is looked at and made. A descriptor of ours that is closed drops the locks that this process holds on the file
// (POSIX), and with them those of another opening that has met the new file already.
var preparing sync.Mutex

// prepareFile makes sure that there is a file, with the rights that a ledger should have, before SQLite would create it
// with others. It opens no file that exists.
func prepareFile(file string, known func() (bool, error), log *zap.Logger) error {
	preparing.Lock()
	defer preparing.Unlock()
	info, err := os.Stat(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("ledger: %w", err)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("ledger %s: not a file; name a file in ledger sqlite <file>", file)
	}
	if err != nil || info.Size() == 0 {
		if err := checkLost(file, known); err != nil {
			return err
		}
		return createFile(file) // also of an empty one the name may not be on the disk yet
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("other users of this machine may read or write the ledger; run chmod 600 on it",
			zap.String("file", file), zap.String("mode", info.Mode().Perm().String()))
	}
	return nil
}

func createFile(file string) error {
	changed, err := createFolder(file)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return fmt.Errorf("ledger: cannot create its file: %w", err)
	}
	return syncFolders(file, changed)
}

// createFolder makes the folder of a file, and returns those in which something is new: up to the first that exists.
func createFolder(file string) (changed []string, err error) {
	folder := filepath.Dir(file)
	changed = []string{folder}
	for !exists(folder) && filepath.Dir(folder) != folder {
		folder = filepath.Dir(folder)
		changed = append(changed, folder)
	}
	if err := os.MkdirAll(changed[0], 0o700); err != nil {
		return nil, fmt.Errorf("ledger %s: cannot create its folder: %w", file, err)
	}
	return changed, nil
}

// syncFolders has the names of a file and its folders survive a power loss as well as what is written under them.
func syncFolders(file string, changed []string) error {
	for _, folder := range changed {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("ledger %s: its folder: %w", file, err)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkLost refuses an empty or missing file where there was a ledger: one that is known, or one whose -wal file holds something. SQLite would
// delete that as stale, and with it what was acknowledged last.
func checkLost(file string, known func() (bool, error)) (lost error) {
	if known != nil {
		switch used, err := known(); {
		case err != nil:
			return fmt.Errorf("ledger %s: %w", file, err)
		case used:
			lost = fmt.Errorf("ledger %s: %w", file, ErrMissing)
		}
	}
	if log, err := os.Stat(file + "-wal"); lost == nil && err == nil && log.Size() > 0 {
		lost = fmt.Errorf("ledger %s: missing or empty, but %s-wal holds records of it; restore both from one backup, or move the -wal file away to begin anew", file, file)
	}
	if info, err := os.Stat(file); err == nil && info.Size() > 0 { // another process has made it one meanwhile
		return nil
	}
	return lost
}
