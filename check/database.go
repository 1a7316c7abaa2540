package check

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/caddypay/caddypay/ledger/postgres"
)

// Database is a ledger in PostgreSQL, which several nodes share.
type Database struct {
	Place string                      // host and database, and nothing that is secret of them
	Write func(context.Context) error // as that of Book
	State func(context.Context) (postgres.State, error)
}

const (
	apartWarn = 500 * time.Millisecond // between the clocks of a node and the database
	apartFail = time.Second            // leases on deliveries last for a few seconds
	heldWarn  = 5 * time.Minute        // for which the server could not clean up
	heldFail  = time.Hour
	deadMost  = 1_000_000 // rows that wait to be cleaned up
	connsMost = 80        // per cent of the pool that is in use
)

// Checks are all that can be looked at of the database. The server is asked once for all of them.
func (d *Database) Checks() []Check {
	asked := &asked{state: d.State}
	of := func(look func(postgres.State) []Finding) func(context.Context) []Finding {
		return func(ctx context.Context) []Finding {
			s, err := asked.get(ctx)
			if err != nil {
				return one(Unknown, say("the database could not be asked: %s", "无法询问数据库：%s", err), Words{})
			}
			return look(s)
		}
	}
	return []Check{
		{ID: "ledger-write", Run: d.write}, {ID: "database", Run: of(database)}, {ID: "database-durability", Run: of(durability)},
		{ID: "database-clock", Run: of(databaseClock)}, {ID: "database-rows", Run: of(databaseRows)},
	}
}

// asked is what the server said, to whoever of the checks came first.
type asked struct {
	state func(context.Context) (postgres.State, error)

	once sync.Once
	said postgres.State
	err  error
}

func (a *asked) get(ctx context.Context) (postgres.State, error) {
	a.once.Do(func() { a.said, a.err = a.state(ctx) })
	return a.said, a.err
}

func (d *Database) write(ctx context.Context) []Finding {
	start := time.Now()
	if err := d.Write(ctx); err != nil {
		return one(Fail, say("the ledger cannot be written: %s; webhooks are answered 503, and nobody can pay", "无法写入账本：%s；Webhook 会得到 503，也无人能付款", err),
			say("see that %s runs, is no standby, and is reached from this machine", "请确认 %s 正在运行、不是备库，且本机可以连通", d.Place))
	}
	took := time.Since(start).Round(time.Millisecond)
	if took > time.Second {
		return one(Warn, say("a write to the ledger took %s until the database vouched for it", "一次账本写入用了 %s 才得到数据库确认", took),
			say("look at the database's disk, at its synchronous replicas, and at the network between", "请检查数据库的磁盘、同步备库以及之间的网络"))
	}
	return one(OK, say("the ledger is written, and on disk, in %s", "账本可写，%s 落盘", took), Words{})
}

func database(s postgres.State) []Finding {
	if 100*s.Pool.Used > connsMost*s.Pool.Max {
		return one(Warn, say("%d of this node's %d connections to the database are in use; %d times somebody waited for one, %s in all",
			"本节点 %[2]d 个数据库连接中有 %[1]d 个在用；曾有 %[3]d 次等待，共 %[4]s", s.Pool.Used, s.Pool.Max, s.Pool.Waited, s.Pool.Wait.Round(time.Millisecond)),
			say("raise max_conns in ledger postgres { … }; the connections of all nodes stay below the server's max_connections, %d", "请在 ledger postgres { … } 中调大 max_conns；所有节点的连接总数应小于服务器的 max_connections（%d）", s.MaxConnections))
	}
	return one(OK, say("%s answers: version %s, schema %d, %d of %d connections of this node in use", "%s 应答正常：版本 %s，schema %d，本节点 %[5]d 个连接中 %[4]d 个在用",
		s.Place, s.Version, s.Schema, s.Pool.Used, s.Pool.Max), Words{})
}

// durability is whether what was acknowledged outlives a crash, and the loss of the server.
func durability(s postgres.State) []Finding {
	asks := "psql -c 'SHOW synchronous_standby_names'"
	switch {
	case !s.Fsync:
		return one(Fail, say("fsync is off: what was acknowledged to Ping++ is lost when the database's machine loses power", "fsync 已关闭：数据库所在机器断电时，已向 Ping++ 确认的数据会丢失"),
			say("set fsync = on in postgresql.conf and restart PostgreSQL", "请在 postgresql.conf 中设置 fsync = on 并重启 PostgreSQL"), "psql -c 'SHOW fsync'")
	case !s.FullPageWrites:
		return one(Warn, say("full_page_writes is off: a crash can damage the ledger, unless the file system writes pages whole", "full_page_writes 已关闭：除非文件系统保证整页写入，否则崩溃可能损坏账本"),
			say("set full_page_writes = on, unless the data is on ZFS or its kin", "请设置 full_page_writes = on，除非数据位于 ZFS 等文件系统"), "psql -c 'SHOW full_page_writes'")
	case s.StandbyNames != "" && s.SynchronousCommit == "local":
		return one(Warn, say("synchronous_commit is local: no replica is waited for, though synchronous_standby_names names some", "synchronous_commit 为 local：尽管 synchronous_standby_names 指定了备库，提交时并不等待"),
			say("set synchronous_commit = on for the ledger's user or database", "请为账本的用户或数据库设置 synchronous_commit = on"), asks)
	case s.StandbyNames == "" && s.Standbys > 0, s.Standbys > 0 && s.Synchronous == 0 && !s.Hidden:
		return one(Warn, say("%d replicas follow, and none of them is synchronous: after a failover the last acknowledged events may be missing", "有 %d 个备库，但没有一个是同步的：故障切换后，最后确认的事件可能缺失", s.Standbys),
			say("name one in synchronous_standby_names; after a failover run caddy pay reconcile --date for the day", "请在 synchronous_standby_names 中指定一个；故障切换后请对当天运行 caddy pay reconcile --date"), asks)
	case s.Standbys == 0 && s.StandbyNames != "":
		return one(Fail, say("synchronous_standby_names is %s, and no replica follows: every write waits for one, and is answered 503", "synchronous_standby_names 为 %s，但没有备库连接：所有写入都会等待，并返回 503", s.StandbyNames),
			say("start the replica, or take its name out of synchronous_standby_names", "请启动备库，或将其从 synchronous_standby_names 中移除"), asks)
	case s.Standbys == 0:
		return one(OK, say("what is acknowledged is on the server's disk; no replica follows, so its loss is the ledger's: keep backups", "已确认的数据已在服务器磁盘上；没有备库，服务器损毁则账本丢失：请做好备份"), Words{})
	}
	return one(OK, say("what is acknowledged is on the server's disk and with a synchronous replica (%d follow)", "已确认的数据在服务器磁盘及同步备库上（共 %d 个备库）", s.Standbys), Words{})
}

func databaseClock(s postgres.State) []Finding {
	off := max(s.Clock.Abs()-s.Doubt, 0)
	fix := say("keep the time of all nodes and of the database with NTP: timedatectl set-ntp true", "请在所有节点和数据库上用 NTP 校时：timedatectl set-ntp true")
	shown := s.Clock.Round(time.Millisecond)
	switch {
	case off > apartFail:
		return one(Fail, say("the database's clock is %s ahead of this machine's: leases end too early or too late, and two nodes may deliver one event", "数据库时钟比本机快 %s：租约会过早或过晚到期，同一事件可能被两个节点投递", shown), fix, "timedatectl")
	case off > apartWarn:
		return one(Warn, say("the database's clock is %s ahead of this machine's", "数据库时钟比本机快 %s", shown), fix, "timedatectl")
	}
	return one(OK, say("the clocks of this machine and of the database agree (%s)", "本机与数据库时钟一致（%s）", shown), Words{})
}

// databaseRows is whether the server can clean up what was changed: it gets slower with each row that it cannot.
func databaseRows(s postgres.State) []Finding {
	held := s.Held.Round(time.Second)
	fix := say("end it if nobody needs it: SELECT pg_terminate_backend(pid), or drop the replication slot", "如不再需要请结束它：SELECT pg_terminate_backend(pid)，或删除复制槽")
	slot := strings.HasPrefix(s.Holder, "replication slot") && s.Age > deadMost
	asks := "psql -c 'SELECT pid, usename, state, xact_start, age(backend_xmin) FROM pg_stat_activity ORDER BY age(backend_xmin) DESC NULLS LAST LIMIT 5'"
	switch {
	case s.Held > heldFail || slot:
		return one(Fail, say("%s has kept the database from cleaning up for %s, %d transactions: the ledger gets slower", "%s 已阻止数据库清理达 %s（%d 个事务）：账本会越来越慢", s.Holder, held, s.Age), fix, asks)
	case s.Held > heldWarn:
		return one(Warn, say("%s has kept the database from cleaning up for %s, %d transactions", "%s 已阻止数据库清理达 %s（%d 个事务）", s.Holder, held, s.Age), fix, asks)
	case s.Dead > deadMost && s.Dead > s.Live:
		return one(Warn, say("%d rows of the ledger wait to be cleaned up, beside %d that are there", "账本有 %d 行等待清理，有效行 %d", s.Dead, s.Live),
			say("see that autovacuum is on and keeps up: SHOW autovacuum", "请确认 autovacuum 已开启且来得及：SHOW autovacuum"), "psql -c 'SHOW autovacuum'")
	}
	return one(OK, say("the database cleans up: %d rows wait for it, beside %d that are there", "数据库清理正常：%d 行等待清理，有效行 %d", s.Dead, s.Live), Words{})
}
