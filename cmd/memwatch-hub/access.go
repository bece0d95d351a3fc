package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/internal/output"
)

// place is where the commands find users and tokens.
type place struct{ config, data, store string }

func (p *place) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&p.config, "config", "", "the hub's configuration `file`, which names its folder")
	cmd.PersistentFlags().StringVar(&p.data, "data", "", "the hub's `folder` (default: the configuration's)")
	cmd.PersistentFlags().StringVar(&p.store, "store", "", "the hubs' PostgreSQL `address` (default: the configuration's)")
}

// hub is the configuration of the hub that the flags name.
func (p *place) hub() (hub.Config, error) {
	cfg, err := load(p.config)
	if err != nil {
		return cfg, usageError{err}
	}
	if p.data != "" {
		cfg.Data = p.data
	}
	if p.store != "" {
		cfg.Store, cfg.StoreFile = p.store, ""
	}
	return cfg, nil
}

// with opens the database that there must be, and closes it after.
func (p *place) with(ctx context.Context, do func(*auth.DB) error) error {
	cfg, err := p.hub()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, auth.FileName)); !cfg.Shared() && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no hub has users or tokens in %s (%s is missing): name the hub's folder with --data or --config", cfg.Data, auth.FileName)
	}
	return within(ctx, cfg, do)
}

// making does so too, makes the database if need be, and says where it is.
func (p *place) making(cmd *cobra.Command, do func(*auth.DB) error) error {
	cfg, err := p.hub()
	if err != nil {
		return err
	}
	if err := within(cmd.Context(), cfg, do); err != nil {
		return err
	}
	where := filepath.Join(cfg.Data, auth.FileName)
	if cfg.Shared() {
		where = "PostgreSQL"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "kept in %s\n", where)
	return nil
}

func within(ctx context.Context, cfg hub.Config, do func(*auth.DB) error) (err error) {
	db, err := hub.OpenAccess(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

// record notes in the audit log who ran a command.
func record(ctx context.Context, db *auth.DB, action, what string) error {
	who := "command"
	if u, err := user.Current(); err == nil {
		who += " by " + u.Username
	}
	return db.Record(ctx, auth.Entry{Who: who, Action: action, What: what})
}

func newUser(stdin io.Reader, stdout io.Writer) *cobra.Command {
	var p place
	var role, file string
	cmd := &cobra.Command{
		Use: "user", Short: "Add, list and remove the people who may sign in",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	add := &cobra.Command{
		Use: "add NAME", Short: "Add a user; the password is asked for, or read from a file or a pipe", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.making(cmd, func(db *auth.DB) error {
				password, err := readPassword(stdin, stdout, file)
				if err != nil {
					return err
				}
				if err := db.AddUser(cmd.Context(), args[0], auth.Role(role), password); err != nil {
					return err
				}
				return record(cmd.Context(), db, "user-add", args[0]+" "+role)
			})
		},
	}
	add.Flags().StringVar(&role, "role", string(auth.RoleViewer), "viewer or operator")
	password := &cobra.Command{
		Use: "password NAME", Short: "Change a password, and end the user's sessions", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd.Context(), func(db *auth.DB) error {
				password, err := readPassword(stdin, stdout, file)
				if err != nil {
					return err
				}
				if err := db.SetPassword(cmd.Context(), args[0], password); err != nil {
					return err
				}
				return record(cmd.Context(), db, "user-password", args[0])
			})
		},
	}
	for _, c := range []*cobra.Command{add, password} {
		c.Flags().StringVar(&file, "password-file", "", "`file` whose first line is the password")
	}
	cmd.AddCommand(add, password,
		&cobra.Command{
			Use: "role NAME viewer|operator", Short: "Change what a user may do", Args: twoArgs,
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.with(cmd.Context(), func(db *auth.DB) error {
					if err := db.SetRole(cmd.Context(), args[0], auth.Role(args[1])); err != nil {
						return err
					}
					return record(cmd.Context(), db, "user-role", args[0]+" "+args[1])
				})
			},
		},
		&cobra.Command{
			Use: "remove NAME", Short: "Remove a user, and end the user's sessions", Args: oneArg,
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.with(cmd.Context(), func(db *auth.DB) error {
					if err := db.RemoveUser(cmd.Context(), args[0]); err != nil {
						return err
					}
					return record(cmd.Context(), db, "user-remove", args[0])
				})
			},
		},
		newUserList(stdout, &p))
	return cmd
}

// userOutput is one line of user list --output json.
type userOutput struct {
	Name  string             `json:"name"`
	Role  auth.Role          `json:"role"`
	Added memwatch.UnixMilli `json:"added"`
}

func newUserList(stdout io.Writer, p *place) *cobra.Command {
	var out output.Format
	cmd := &cobra.Command{
		Use: "list", Short: "List the users", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(db *auth.DB) error {
				users, err := db.Users(cmd.Context())
				if err != nil {
					return err
				}
				list := []userOutput{}
				for _, u := range users {
					list = append(list, userOutput{u.Name, u.Role, memwatch.Milli(u.Created)})
				}
				return out.Write(stdout, list, func(to io.Writer) error {
					w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
					fmt.Fprintln(w, "NAME\tROLE\tADDED")
					for _, u := range users {
						fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, u.Role, day(u.Created))
					}
					return w.Flush()
				})
			})
		},
	}
	out.Flag(cmd)
	return cmd
}

func newToken(stdout io.Writer) *cobra.Command {
	var p place
	var role string
	var services []string
	var expires time.Duration
	cmd := &cobra.Command{
		Use: "token", Short: "Create, list and revoke the tokens of agents and programs",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p.flags(cmd)
	var out output.Format
	create := &cobra.Command{
		Use: "create NAME", Short: "Create a token and print it; it is not kept, and cannot be shown again", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.making(cmd, func(db *auth.DB) error {
				t, secret, err := db.CreateToken(cmd.Context(), args[0], auth.Role(role), expires, services...)
				if err != nil {
					return err
				}
				if err := record(cmd.Context(), db, "token-create", t.ID+" "+args[0]+" "+role); err != nil {
					return err
				}
				said := createdToken{tokenOutput: tokenOf(t), Token: secret}
				return out.Write(stdout, said, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, secret)
					return err
				})
			})
		},
	}
	out.Flag(create)
	create.Flags().StringSliceVar(&services, "services", nil, "`patterns` of the services that an agent may send of, such as shop,cart-* (default: all)")
	create.Flags().StringVar(&role, "role", string(auth.RoleAgent), "agent (may send readings and nothing else), viewer or operator")
	create.Flags().DurationVar(&expires, "expires", 0, "the `time` until it expires, such as 2160h (default: never)")
	cmd.AddCommand(create,
		&cobra.Command{
			Use: "revoke ID|NAME", Short: "Revoke a token; its connections are closed within seconds", Args: oneArg,
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.with(cmd.Context(), func(db *auth.DB) error {
					if err := db.RevokeToken(cmd.Context(), args[0]); err != nil {
						return err
					}
					return record(cmd.Context(), db, "token-revoke", args[0])
				})
			},
		},
		newTokenList(stdout, &p))
	return cmd
}

// tokenOutput is one line of token list --output json.
type tokenOutput struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Role auth.Role `json:"role"`
	// Services are patterns of what an agent may send of; empty means all.
	Services []string           `json:"services"`
	Created  memwatch.UnixMilli `json:"created"`
	// Expires is null for a token that does not.
	Expires memwatch.UnixMilli `json:"expires"`
	Used    memwatch.UnixMilli `json:"used"`
	// Revoked is null for a token that holds.
	Revoked memwatch.UnixMilli `json:"revoked"`
}

// createdToken is what token create --output json answers.
type createdToken struct {
	tokenOutput
	// Token is the secret itself; it is not kept, and cannot be shown again.
	Token string `json:"token"`
}

func tokenOf(t auth.Token) tokenOutput {
	return tokenOutput{
		ID: t.ID, Name: t.Name, Role: t.Role, Services: append([]string{}, t.Services...), Created: memwatch.Milli(t.Created), Expires: memwatch.Milli(t.Expires),
		Used: memwatch.Milli(t.Used), Revoked: memwatch.Milli(t.Revoked),
	}
}

// held are the services that a token is held to.
func held(services []string) string {
	if len(services) == 0 {
		return "-"
	}
	return strings.Join(services, ",")
}

func newTokenList(stdout io.Writer, p *place) *cobra.Command {
	var out output.Format
	cmd := &cobra.Command{
		Use: "list", Short: "List the tokens", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd.Context(), func(db *auth.DB) error {
				tokens, err := db.Tokens(cmd.Context())
				if err != nil {
					return err
				}
				list := []tokenOutput{}
				for _, t := range tokens {
					list = append(list, tokenOf(t))
				}
				return out.Write(stdout, list, func(to io.Writer) error {
					w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
					fmt.Fprintln(w, "ID\tNAME\tROLE\tSERVICES\tCREATED\tEXPIRES\tUSED\tREVOKED")
					for _, t := range tokens {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, held(t.Services), day(t.Created), day(t.Expires), day(t.Used), day(t.Revoked))
					}
					return w.Flush()
				})
			})
		},
	}
	out.Flag(cmd)
	return cmd
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateTime)
}

func oneArg(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func twoArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(2)(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// readPassword asks twice on a terminal, and else takes the first line.
func readPassword(stdin io.Reader, stdout io.Writer, file string) (string, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return firstLine(b), nil
	}
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		b, err := io.ReadAll(io.LimitReader(stdin, 4096))
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return firstLine(b), nil
	}
	var said [2]string
	for i, ask := range []string{"Password: ", "The same again: "} {
		fmt.Fprint(stdout, ask)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(stdout)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		said[i] = string(b)
	}
	if said[0] != said[1] {
		return "", errors.New("the two passwords are not the same")
	}
	return said[0], nil
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r")
}
