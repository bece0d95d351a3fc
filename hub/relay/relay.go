package relay

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrElsewhere: another hub of this database keeps its profiles in another place.
var ErrElsewhere = errors.New("the hubs of one database must keep their profiles in one place")

// Config says where the hubs meet and who this one is.
type Config struct {
	// URL is the database's, as PostgreSQL's own programs take it.
	URL string
	// Version and Address are told to people, Blobs must be the same for all hubs.
	Version, Address, Blobs string
	Logger                  *slog.Logger
	// Dead is how long a hub may not be heard of before it counts as gone; 10 s.
	Dead time.Duration
}

// Keep is how long messages are kept that are done with. A hub that was away for
// longer has missed some.
const Keep = 5 * time.Minute

// Hub is one of those that share the database.
type Hub struct {
	ID               int64
	Version, Address string
	Started          time.Time
	// Alive says that it was heard of within Config.Dead.
	Alive, Leads bool
}

// Relay is this hub's part. All methods are safe for concurrent use, Next by one
// goroutine at a time.
type Relay struct {
	cfg  Config
	log  *slog.Logger
	id   int64
	pool *pgxpool.Pool

	zip   *zstd.Encoder
	unzip *zstd.Decoder

	outbox chan *letter
	wake   chan struct{} // holds one when there may be something new
	polled time.Time     // by Next
	term   atomic.Pointer[Term]
	mine   mine

	sending sync.RWMutex // held to read by who puts into outbox
	closed  bool         // nobody takes from it any more
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// mine are the messages of this hub, by row, that it has not read yet.
type mine struct {
	mu   sync.Mutex
	rows map[int64][]any
}

// Open joins the hubs of a database, making its tables if need be. ctx bounds the
// opening alone. The error is ErrElsewhere where that is the reason.
func Open(ctx context.Context, cfg Config) (_ *Relay, err error) {
	if cfg.Dead == 0 {
		cfg.Dead = 10 * time.Second
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("join the hubs of the database: %w", err)
		}
	}()
	conns, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, err
	}
	conns.MaxConns = 6 // sends, reads, beats, guards, and some to spare
	conns.ConnConfig.ConnectTimeout = 5 * time.Second
	settings := conns.ConnConfig.RuntimeParams
	settings["application_name"] = "memwatch-hub"
	// What was sent must be on the disk, whatever the server's default.
	settings["synchronous_commit"] = "on"
	// A hub whose machine is gone leads no longer than this.
	settings["tcp_keepalives_idle"], settings["tcp_keepalives_interval"], settings["tcp_keepalives_count"] = "5", "2", "3"
	settings["tcp_user_timeout"] = "10000"
	// A guard is held while its hub is busy elsewhere.
	settings["idle_in_transaction_session_timeout"] = "0"
	r := &Relay{
		cfg: cfg, log: cfg.Logger, outbox: make(chan *letter, maxWaiting), wake: make(chan struct{}, 1),
		mine: mine{rows: map[int64][]any{}},
	}
	if r.zip, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); err != nil {
		return nil, err
	}
	if r.unzip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRow)); err != nil {
		return nil, err
	}
	if r.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), conns); err != nil {
		return nil, err
	}
	if err = r.join(ctx); err != nil {
		r.pool.Close()
		r.unzip.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	for _, work := range []func(context.Context){r.send, r.beat, r.listen, r.campaign} {
		r.wg.Go(func() { work(running) })
	}
	return r, nil
}

func (r *Relay) join(ctx context.Context) error {
	if err := migrate(ctx, r.pool.Config().ConnConfig); err != nil {
		return err
	}
	var other, address string
	err := r.pool.QueryRow(ctx, `SELECT blobs, address FROM relay_hubs WHERE blobs <> $1 AND seen > clock_timestamp() - $2::interval LIMIT 1`,
		r.cfg.Blobs, r.cfg.Dead).Scan(&other, &address)
	if err == nil {
		return fmt.Errorf("%w: those of this hub lie in %s, those of the hub on %s in %s: give all hubs one folder, or one bucket", ErrElsewhere, r.cfg.Blobs, address, other)
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return r.pool.QueryRow(ctx, `INSERT INTO relay_hubs (version, address, blobs) VALUES ($1, $2, $3) RETURNING id`,
		r.cfg.Version, r.cfg.Address, r.cfg.Blobs).Scan(&r.id)
}

// lockID keeps apart hubs that make the tables at the same time; leadID is the
// leader's lock.
const (
	lockID = 0x6d656d77_72656c01
	leadID = 0x6d656d77_72656c02
)

func migrate(ctx context.Context, conn *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*conn)
	defer func() { err = errors.Join(err, db.Close()) }()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithTableName("relay_version"), goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// ID is this hub's, anew with every start.
func (r *Relay) ID() int64 { return r.id }

// Close leaves: the other hubs find at once that this one is gone. What was not
// sent by then is answered with an error.
func (r *Relay) Close() {
	r.sending.Lock()
	r.closed = true
	r.sending.Unlock()
	r.stop()
	r.wg.Wait()
	r.pool.Close()
	r.unzip.Close()
}

// beatEvery is how often a hub says that it lives.
const beatEvery = time.Second

func (r *Relay) beat(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			r.farewell(ctx)
			return
		case <-ticker.C:
		}
		// One that was removed meanwhile, as dead for long, is there again.
		_, err := r.exec(ctx, `INSERT INTO relay_hubs (id, version, address, blobs) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET seen = clock_timestamp()`, r.id, r.cfg.Version, r.cfg.Address, r.cfg.Blobs)
		if err != nil && ctx.Err() == nil {
			r.log.Debug("cannot say that this hub lives", "error", err)
		}
	}
}

// answerTimeout is how long a statement may take that waits for no lock: a database
// whose machine is gone answers nothing at all.
const answerTimeout = 5 * time.Second

// exec runs a statement that waits for no lock.
func (r *Relay) exec(ctx context.Context, statement string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return r.pool.Exec(ctx, statement, args...)
}

// farewell says that this hub is gone, so that nobody waits for it.
func (r *Relay) farewell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := r.pool.Exec(ctx, `UPDATE relay_hubs SET seen = 'epoch' WHERE id = $1`, r.id); err != nil {
		r.log.Warn("the other hubs could not be told that this one leaves", "error", err)
	}
}

// Hubs answers those that are alive, or were not long ago, by the time they started.
func (r *Relay) Hubs(ctx context.Context) ([]Hub, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	rows, err := r.pool.Query(ctx, `SELECT h.id, h.version, h.address, h.started, h.seen > clock_timestamp() - $1::interval,
		l.hub = h.id AND h.seen > clock_timestamp() - $1::interval FROM relay_hubs h, relay_lead l ORDER BY h.id`, r.cfg.Dead)
	if err != nil {
		return nil, fmt.Errorf("list the hubs of the database: %w", err)
	}
	hubs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Hub])
	if err != nil {
		return nil, fmt.Errorf("list the hubs of the database: %w", err)
	}
	return hubs, nil
}
