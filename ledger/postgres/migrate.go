package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	leastServer  = 150000
	migrateLock  = `caddypay migrate` // whose name every node locks that looks after the schema
	migrateWait  = 2 * time.Minute    // for another node that does it, and for the tables
	daysAhead    = 7                  // of partitions
	partitionTry = "2s"               // for the lock on a table whose partition is made: everybody who writes waits behind it meanwhile
)

const (
	sqlMigrateLock = `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`
	sqlHasAbout    = `SELECT EXISTS (` + sqlHasTable + `'about')`
	sqlHasDay      = `SELECT EXISTS (` + sqlHasTable + `$1::name)`
	sqlVersion     = `SELECT version FROM caddypay.about`
	sqlSetVersion  = `UPDATE caddypay.about SET version = $1`

	// sqlHasTable asks the catalog itself: to_regclass goes by what the connection remembers of it, also after a wait for another node that has made the table.
	sqlHasTable = `SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'caddypay' AND c.relname = `

	// today is the day of the server's clock, in UTC, counted from 1970-01-01.
	today = `floor(extract(epoch FROM now()) / 86400)::integer`
)

// partitioned are the tables that have a partition for each day.
var partitioned = []string{"bodies", "deliveries", "answers"}

// migrate brings the database's schema to this version, while other nodes run, and do the same.
func migrate(ctx context.Context, conn *pgx.Conn) error {
	if err := suits(ctx, conn); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlMigrateLock, migrateLock); err != nil {
			return err
		}
		version, err := versionOf(ctx, tx)
		switch {
		case err != nil:
			return err
		case version > schemaVersion:
			return &Unfit{fmt.Errorf("the ledger in this database is of a newer caddypay (schema %d, this one knows %d); upgrade this node", version, schemaVersion)}
		case version == 0:
			if err := makeSchema(ctx, tx); err != nil {
				return err
			}
			script := schema + `INSERT INTO caddypay.about VALUES (` + strconv.Itoa(schemaVersion) + `);`
			if _, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("making the ledger's tables: %w", err)
			}
		}
		for ; version > 0 && version < schemaVersion; version++ {
			if _, err := tx.Exec(ctx, upgrades[version], pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("upgrading the ledger from schema %d: %w", version, err)
			}
			if _, err := tx.Exec(ctx, sqlSetVersion, version+1); err != nil {
				return err
			}
		}
		return nil
	})
}

// makeSchema makes the place where the tables are, unless somebody who may has done it.
func makeSchema(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace('caddypay') IS NOT NULL`).Scan(&there); err != nil || there {
		return err
	}
	if _, err := tx.Exec(ctx, `CREATE SCHEMA caddypay`); err != nil {
		return fmt.Errorf("the schema caddypay cannot be made: %w; grant CREATE on the database to the ledger's user, or make it with CREATE SCHEMA caddypay AUTHORIZATION and that user", err)
	}
	return nil
}

// suits says what the server lacks.
func suits(ctx context.Context, conn *pgx.Conn) error {
	var number, name, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num'), current_setting('server_version'), current_setting('server_encoding')`,
		pgx.QueryExecModeExec).Scan(&number, &name, &encoding)
	if err != nil {
		return err
	}
	if n, _ := strconv.Atoi(number); n < leastServer {
		return &Unfit{fmt.Errorf("the server is PostgreSQL %s; the ledger needs 15 or newer", name)}
	}
	if encoding != "UTF8" {
		return &Unfit{fmt.Errorf("the database is encoded in %s; make one with ENCODING 'UTF8' for the ledger", encoding)}
	}
	return nil
}

// versionOf returns the schema's version; 0 when there is none yet.
func versionOf(ctx context.Context, tx pgx.Tx) (version int, err error) {
	var there bool
	if err := tx.QueryRow(ctx, sqlHasAbout).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, sqlVersion).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errors.New("caddypay.about in this database is empty: this is no ledger, or a damaged one")
	}
	return version, err
}

// dayName is how a partition of a table is called.
func dayName(table string, day int64) string {
	return table + time.Unix(day*86400, 0).UTC().Format("_2006_01_02")
}

// makeDays makes the partitions of today and of the days to come that are not there.
func makeDays(ctx context.Context, conn *pgx.Conn) error {
	var day int64
	if err := conn.QueryRow(ctx, `SELECT `+today).Scan(&day); err != nil {
		return err
	}
	for ahead := int64(0); ahead <= daysAhead; ahead++ {
		for _, table := range partitioned {
			if err := makeDay(ctx, conn, table, day+ahead); err != nil {
				return fmt.Errorf("making the partition %s: %w", dayName(table, day+ahead), err)
			}
		}
	}
	return nil
}

// makeDay makes the partition of a table for a day. It is made beside the table, and then attached: that waits for no statement, and nobody for it.
func makeDay(ctx context.Context, conn *pgx.Conn, table string, day int64) error {
	name := dayName(table, day)
	var there bool
	if err := conn.QueryRow(ctx, sqlHasDay, name).Scan(&there); err != nil || there {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlMigrateLock, migrateLock); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, sqlHasDay, name).Scan(&there); err != nil || there {
			return err
		}
		script := fmt.Sprintf(`SET LOCAL lock_timeout = '%[1]s';
			CREATE TABLE caddypay.%[2]s (LIKE caddypay.%[3]s INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING STORAGE);
			ALTER TABLE caddypay.%[3]s ATTACH PARTITION caddypay.%[2]s FOR VALUES FROM (%[4]d) TO (%[5]d)`, partitionTry, name, table, day, day+1)
		_, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}
