package file

import (
	"context"
	"sync/atomic"
)

// Asked says that the writer waits for those who read.
func (i *Inside) Asked() bool { return i.file.pauses.asked.Load() }

// Prepare has the connection know these statements and no others.
func (c *Conn) Prepare(ctx context.Context, texts ...string) error { return c.prepare(ctx, texts) }

// Behind says that the writer is to fold in the rest of the -wal file.
func (i *Inside) Behind() *atomic.Bool { return &i.file.writer.folder.behind }
