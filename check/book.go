package check

import (
	"context"
	"time"
)

// Book is the ledger that all sites share.
type Book struct {
	File  string                      // where it is
	Write func(context.Context) error // writes something that is worth nothing, and returns when it is on disk
	Sizes func() (ledger, wal int64, err error)
	Free  func() (bytes int64, err error)          // on its disk, for this process
	Grown func() (bytes int64, over time.Duration) // since this process opened it
	Kind  string                                   // of a file system that is no local one; empty: none
	Users func() []User                            // other processes that have it open, as far as can be seen
	Since time.Time                                // when this process was started
}

// User is a process that has the ledger open.
type User struct {
	PID   int
	Name  string
	Since time.Time // when it was started
	Alike bool      // it is the same program as this one, by its name
}

const (
	walMost  = 256 << 20 // bytes of a -wal file that is folded as it should be
	freeFail = 64 << 20  // bytes
	freeWarn = 512 << 20
	daysFail = 1 // until the disk is full, as the ledger grows
	daysWarn = 7
	daysMost = 3650 // of which more is only "enough"
)

// HandOver is how long an old process may have the ledger open beside the new one that takes its place.
const HandOver = time.Minute

// Checks are all that can be looked at of the ledger. What is written is forgotten.
func (b *Book) Checks() []Check {
	return []Check{{ID: "ledger-write", Run: b.write}, {ID: "ledger-users", Run: b.users}, {ID: "disk", Run: b.disk}, {ID: "wal", Run: b.wal}, {ID: "file-system", Run: b.fileSystem}}
}

func (b *Book) write(ctx context.Context) []Finding {
	start := time.Now()
	if err := b.Write(ctx); err != nil {
		return one(Fail, say("the ledger cannot be written: %s; webhooks are answered 503, and nobody can pay", "无法写入账本：%s；Webhook 会得到 503，也无人能付款", err),
			say("see that the disk is neither full nor failing, and that Caddy's user may write to %s and its folder", "请确认磁盘未满、无故障，且 Caddy 的用户可写 %s 及其所在目录", b.File))
	}
	took := time.Since(start).Round(time.Millisecond)
	if took > time.Second {
		return one(Warn, say("a write to the ledger took %s to get to the disk", "一次账本写入用了 %s 才落盘", took), say("put the ledger on a faster disk", "请把账本放到更快的磁盘上"))
	}
	return one(OK, say("the ledger is written, and on disk, in %s", "账本可写，%s 落盘", took), Words{})
}

// users looks for another Caddy that works with the same ledger. The ledger stands that, as when one takes the other's place; but one that was started twice by
// mistake shares the ports too, so that nobody knows which of the two has a request.
func (b *Book) users(context.Context) []Finding {
	for _, u := range b.Together(time.Now()) {
		return one(Warn, say("another process (%s, pid %d, started %s) has the ledger open beside this one", "另一进程（%s，pid %d，启动于 %s）与本进程同时打开此账本", u.Name, u.PID, u.Since.Format(zoned)),
			say("if Caddy was started twice, stop the one that is not meant: the two share their ports, and requests go to either", "若重复启动了 Caddy，请停止多余的那个：两者共用端口，请求可能由其中任何一个处理"),
			"pgrep -af caddy")
	}
	return one(OK, say("no other Caddy has the ledger open", "没有其他 Caddy 打开此账本"), Words{})
}

// Together are the processes of the same program that have had the ledger open beside this one for longer than it takes to hand it over.
func (b *Book) Together(now time.Time) (users []User) {
	for _, u := range b.Users() {
		if u.Alike && now.Sub(u.Since) > HandOver && now.Sub(b.Since) > HandOver {
			users = append(users, u)
		}
	}
	return users
}

func (b *Book) disk(context.Context) []Finding {
	free, err := b.Free()
	if err != nil {
		return one(Unknown, say("how much room the disk has could not be found out: %s", "无法得知磁盘剩余空间：%s", err), Words{})
	}
	fix := say("make room on the disk of %s, or shorten retention", "请为 %s 所在磁盘腾出空间，或缩短 retention", b.File)
	grown, over := b.Grown()
	known := grown > 0 && over >= time.Hour // a shorter time says nothing of a day
	var days float64
	if known {
		days = float64(free) / (float64(grown) / over.Hours() * 24)
	}
	switch {
	case free < freeFail:
		return one(Fail, say("the disk of the ledger is as good as full: %d MiB are left", "账本所在磁盘即将写满：仅剩 %d MiB", free>>20), fix, "df -h")
	case known && days < daysFail:
		return one(Fail, say("the disk of the ledger is as good as full: %d MiB are left, less than it grows in a day", "账本所在磁盘即将写满：仅剩 %d MiB，不够账本增长一天", free>>20), fix, "df -h")
	case known && days < daysWarn:
		return one(Warn, say("the disk of the ledger will be full in %d days: %d MiB are left", "账本所在磁盘将在 %d 天内写满：仅剩 %d MiB", int(days), free>>20), fix, "df -h")
	case free < freeWarn:
		return one(Warn, say("the disk of the ledger has %d MiB left", "账本所在磁盘仅剩 %d MiB", free>>20), fix, "df -h")
	case known && days < daysMost:
		return one(OK, say("the disk has %d MiB left, enough for %d days as the ledger grows", "磁盘剩余 %d MiB，按账本的增长还够 %d 天", free>>20, int(days)), Words{})
	}
	return one(OK, say("the disk has %d MiB left", "磁盘剩余 %d MiB", free>>20), Words{})
}

func (b *Book) wal(context.Context) []Finding {
	size, wal, err := b.Sizes()
	if err != nil {
		return one(Unknown, say("how big the ledger is could not be found out: %s", "无法得知账本大小：%s", err), Words{})
	}
	if wal <= walMost {
		return one(OK, say("the ledger has %d MiB, its -wal file %d MiB", "账本 %d MiB，-wal 文件 %d MiB", size>>20, wal>>20), Words{})
	}
	who := say("another process reads the ledger", "有其他进程在读取账本")
	for _, u := range b.Users() {
		who = say("another process (%s, pid %d) reads the ledger since %s", "有其他进程（%s，pid %d）自 %s 起读取账本", u.Name, u.PID, u.Since.Format(zoned))
	}
	return one(Fail, say("the -wal file has grown to %[1]d MiB and is not folded: %[2]s", "-wal 文件已增至 %[1]d MiB 且无法合并：%[3]s", wal>>20, who.EN, who.ZH),
		say("end that process; back the ledger up with a copy that does not hold it open", "请结束该进程；备份账本时请勿一直打开它"), "ls -l "+b.File+"*")
}

func (b *Book) fileSystem(context.Context) []Finding {
	if b.Kind != "" {
		return one(Fail, say("the ledger is on %s: fsync and locks are not its own there, and what was acknowledged may be lost", "账本位于 %s 上：其 fsync 和锁不可靠，已确认的数据可能丢失", b.Kind),
			say("put it on a local disk: ledger sqlite /var/lib/caddy/pay.db", "请放到本地磁盘：ledger sqlite /var/lib/caddy/pay.db"))
	}
	return one(OK, say("the ledger is on a local disk", "账本位于本地磁盘"), Words{})
}
