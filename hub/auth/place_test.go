package auth

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/zupee/memwatch/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// opener opens what the tests work with: a database in a folder, or in PostgreSQL.
var opener = func(t *testing.T) (*DB, error) { return OpenDB(t.Context(), t.TempDir()) }

func TestAllThatIsTrueOfTheFileIsTrueOfPostgreSQL(t *testing.T) {
	inFolder := opener
	defer func() { opener = inFolder }()
	opener = func(t *testing.T) (*DB, error) { return OpenPostgres(t.Context(), pgtest.Database(t)) }
	for name, test := range map[string]func(*testing.T){
		"tokens": TestTokensAreKnownUntilTheyAreRevokedOrExpire, "users": TestPasswordsAndUsers,
		"sessions": TestASessionHoldsWhatItsUserMayDoNow, "proxy": TestTheProxysHeaderCountsFromTheProxyAlone,
		"first user": TestTheFirstUserIsMadeOnceByTheLink, "connections": TestLongConnectionsEndWithTheirToken,
		"audit": TestTheAuditLogKeepsWhoDidWhat,
	} {
		t.Run(name, test)
	}
}

func TestHubsThatStartTogetherMakeOneDatabaseAndOneFirstUser(t *testing.T) {
	url := pgtest.Database(t)
	const hubs = 5
	made := make([]error, hubs)
	var wg sync.WaitGroup
	for i := range hubs {
		wg.Go(func() {
			d, err := OpenPostgres(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			made[i] = d.AddFirstUser(t.Context(), fmt.Sprintf("user%d", i), good)
		})
	}
	wg.Wait()
	first := 0
	for _, err := range made {
		if err == nil {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d first users, want one: %v", first, made)
	}
}

func TestStatementsForPostgreSQLAreNumbered(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1": "SELECT 1", "SELECT ? WHERE a = ? AND b > ?": "SELECT $1 WHERE a = $2 AND b > $3", "?": "$1",
	} {
		if got := numbered(query); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
	}
}

func TestUsersAndTokensMoveToPostgreSQL(t *testing.T) {
	ctx := t.Context()
	from, err := OpenDB(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := OpenPostgres(ctx, pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := from.AddUser(ctx, "ann", RoleOperator, good); err != nil {
		t.Fatal(err)
	}
	_, secret, err := from.CreateToken(ctx, "edge", RoleAgent, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Record(ctx, Entry{Who: "ann", Action: "login"}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} { // the second time all is there
		if users, tokens, err := Transfer(ctx, from, to); err != nil || users != want || tokens != want {
			t.Errorf("transfer %d: %d users, %d tokens, %v; want %d of each", i, users, tokens, err, want)
		}
	}
	if u, err := to.checkUser(ctx, "ann", good); err != nil || u.Role != RoleOperator {
		t.Errorf("%+v, %v", u, err)
	}
	if who, err := to.token(ctx, secret); err != nil || who.Name != "edge" {
		t.Errorf("%+v, %v", who, err)
	}
	if lines, err := to.Audit(ctx, 0, 10); err != nil || len(lines) != 1 || lines[0].Action != "login" {
		t.Errorf("%+v, %v", lines, err)
	}
}
