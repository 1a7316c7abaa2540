package sqlite

// sqlQuick reads what waits to be delivered, in the indexes that lead to it, with the bodies. Every page on the way is looked at.
var sqlQuick = []string{
	`SELECT count(*) + total(length(s.app)) + (SELECT total(n) FROM counts) FROM scopes AS s`,
	`SELECT count(*) + total(length(e.id)) + total(length(b.signature)) + total(i.seq) FROM scopes AS s
		CROSS JOIN events AS e INDEXED BY events_due ON e.scope = s.id AND e.state = 'pending' AND e.blocked = 0
		LEFT JOIN bodies AS b ON b.event = e.seq
		LEFT JOIN events AS i ON i.scope = e.scope AND i.id = e.id`,
	`SELECT count(*) + total(length(e.id)) FROM scopes AS s
		CROSS JOIN events AS e INDEXED BY events_lane ON e.scope = s.id AND e.state = 'pending' AND e.lane <> '' AND e.by_charge = 0`,
	`SELECT count(*) FROM scopes AS s CROSS JOIN events AS e INDEXED BY events_behind ON e.scope = s.id AND e.state = 'pending' AND e.blocked = 1`,
}
