package postgres

import (
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Unfit says that a database cannot keep the ledger however long somebody waits: its server is too old, or the ledger in it too new.
type Unfit struct{ error }

// Unwrap returns what is wrong.
func (u *Unfit) Unwrap() error { return u.error }

// plain is what a host or a database is called. Anything else may be a part of a password that was not written as it has to be.
var plain = regexp.MustCompile(`^[0-9A-Za-z_.:/-]{1,200}$`)

// Place says for people where a DSN leads, the host and the database, and nothing else of it. It opens no connection. An error shows nothing of the DSN.
func Place(dsn string) (string, error) {
	config, err := configure(Options{DSN: dsn})
	if err != nil {
		return "", err
	}
	return place(config), nil
}

func place(config *pgxpool.Config) string {
	c := config.ConnConfig
	hosts := []string{at(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		if host := at(f.Host, f.Port); host != hosts[len(hosts)-1] {
			hosts = append(hosts, host)
		}
	}
	name := strings.Join(hosts, ",")
	if !plain.MatchString(strings.ReplaceAll(name, ",", "")) {
		name = "a server"
	}
	if c.Database != "" && plain.MatchString(c.Database) {
		name += ", database " + c.Database
	}
	return "PostgreSQL at " + name
}

func at(host string, port uint16) string {
	if strings.HasPrefix(host, "/") { // a socket's folder
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
