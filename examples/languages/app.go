// Projects from Go, with database/sql and lib/pq, which reads PGHOST, PGDATABASE, PGUSER and so on.
//
//	go run app.go USER ORGANIZATION
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"math/rand"
	"os"
	"time"

	"github.com/lib/pq"
)

// InWorkspace runs a transaction in a workspace: the organization's, or the personal one for nil.
func InWorkspace(
	ctx context.Context, db *sql.DB, user string, organization *string, options *sql.TxOptions, work func(*sql.Tx) error,
) error {
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.ExecContext(ctx, "SELECT tenancy.enter($1, $2)", user, organization); err != nil {
		return err
	}
	if err := work(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Retrying repeats the whole transaction after a conflict, so that everything is read again.
func Retrying(attempts int, transaction func(attempt int) error) error {
	for attempt := 1; ; attempt++ {
		err := transaction(attempt)
		var found *pq.Error
		if err == nil || attempt == attempts || !errors.As(err, &found) ||
			(found.Code != "40001" && found.Code != "40P01") {
			return err
		}
		time.Sleep(time.Duration(rand.Int63n(int64(40*time.Millisecond) << attempt)))
	}
}

// An error of pg-tenancy has its name in Constraint, and in Hint what to do.
var statuses = map[string]int{"no_context": 500, "not_a_member": 403, "permission_denied": 403}

func refused(err error) error {
	var found *pq.Error
	if !errors.As(err, &found) || statuses[found.Constraint] == 0 {
		return fmt.Errorf("not refused as it should be: %w", err)
	}
	fmt.Printf("%s (%s), status %d\n", found.Constraint, found.Code, statuses[found.Constraint])
	return nil
}

func run(ctx context.Context, user, organization string) error {
	db, err := sql.Open("postgres", "")
	if err != nil {
		return err
	}
	defer db.Close()

	var projects int
	count := func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM projects").Scan(&projects)
	}
	rename := func(name string) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE projects SET name = $1", name)
			return err
		}
	}

	if err := InWorkspace(ctx, db, user, &organization, nil, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO projects (name) VALUES ($1)", "Website")
		return err
	}); err != nil {
		return err
	}
	if err := InWorkspace(ctx, db, user, &organization, nil, count); err != nil {
		return err
	}
	fmt.Printf("%d in the organization\n", projects)
	if err := InWorkspace(ctx, db, user, nil, nil, count); err != nil {
		return err
	}
	fmt.Printf("%d in the personal workspace\n", projects)

	if err := refused(db.QueryRowContext(ctx, "SELECT count(*) FROM projects").Scan(&projects)); err != nil {
		return err
	}
	stranger := "00000000-0000-0000-0000-000000000001"
	if err := refused(InWorkspace(ctx, db, user, &stranger, nil, count)); err != nil {
		return err
	}

	attempts := 0
	snapshot := &sql.TxOptions{Isolation: sql.LevelRepeatableRead}
	if err := Retrying(3, func(attempt int) error {
		attempts = attempt
		return InWorkspace(ctx, db, user, &organization, snapshot, func(tx *sql.Tx) error {
			if err := count(tx); err != nil {
				return err
			}
			if attempt == 1 {
				// The first time, another transaction is faster.
				if err := InWorkspace(ctx, db, user, &organization, nil, rename("Shop")); err != nil {
					return err
				}
			}
			return rename("Store")(tx)
		})
	}); err != nil {
		return err
	}
	fmt.Printf("renamed after %d attempts\n", attempts)
	return nil
}

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
