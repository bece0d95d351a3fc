// A description of a JSON message, from which its TypeScript type is inferred
// and against which the Go side's golden files are checked in the tests. Only
// types leave this file at run time of the page: nothing of it is bundled.

export interface Shape<T> {
  /** Adds a line for everything in `value` that the shape does not say. */
  check(value: unknown, path: string, problems: string[]): void;
  readonly optional?: boolean;
  /** Only for inference; never set. */
  readonly type?: T;
}

export type Infer<S> = S extends Shape<infer T> ? T : never;

interface Optional<T> extends Shape<T> {
  readonly optional: true;
}

const primitive = <T>(name: string): Shape<T> => ({
  check(value, path, problems) {
    if (typeof value !== name) problems.push(`${path}: want a ${name}, found ${JSON.stringify(value)}`);
  },
});

export const str = primitive<string>('string');
export const num = primitive<number>('number');
export const bool = primitive<boolean>('boolean');

export function oneOf<const T extends string>(...values: T[]): Shape<T> {
  return {
    check(value, path, problems) {
      if (!values.includes(value as T)) problems.push(`${path}: want one of ${values.join(', ')}, found ${JSON.stringify(value)}`);
    },
  };
}

export function nullable<T>(inner: Shape<T>): Shape<T | null> {
  return {
    check(value, path, problems) {
      if (value !== null) inner.check(value, path, problems);
    },
  };
}

/** The key may be missing. */
export function opt<T>(inner: Shape<T>): Optional<T> {
  return { check: inner.check.bind(inner), optional: true };
}

export function list<T>(inner: Shape<T>): Shape<T[]> {
  return {
    check(value, path, problems) {
      if (!Array.isArray(value)) problems.push(`${path}: want an array, found ${JSON.stringify(value)}`);
      else value.forEach((item, i) => inner.check(item, `${path}[${i}]`, problems));
    },
  };
}

export function dict<T>(inner: Shape<T>): Shape<Record<string, T>> {
  return {
    check(value, path, problems) {
      if (!isObject(value)) problems.push(`${path}: want an object, found ${JSON.stringify(value)}`);
      else for (const [key, item] of Object.entries(value)) inner.check(item, `${path}.${key}`, problems);
    },
  };
}

type Fields = Record<string, Shape<unknown>>;
type Flat<T> = { [K in keyof T]: T[K] };
type FromFields<F extends Fields> = Flat<
  { [K in keyof F as F[K] extends { optional: true } ? never : K]: Infer<F[K]> } & {
    [K in keyof F as F[K] extends { optional: true } ? K : never]?: Infer<F[K]>;
  }
>;

export interface ObjectShape<F extends Fields> extends Shape<FromFields<F>> {
  readonly fields: F;
}

/** An object with exactly these keys. */
export function obj<F extends Fields>(fields: F): ObjectShape<F> {
  return {
    fields,
    check(value, path, problems) {
      if (!isObject(value)) {
        problems.push(`${path}: want an object, found ${JSON.stringify(value)}`);
        return;
      }
      for (const [key, shape] of Object.entries(fields)) {
        if (key in value) shape.check(value[key], `${path}.${key}`, problems);
        else if (!shape.optional) problems.push(`${path}.${key}: missing`);
      }
      for (const key of Object.keys(value)) {
        if (!(key in fields)) problems.push(`${path}.${key}: not known to the dashboard`);
      }
    },
  };
}

/** Refers to a shape that is declared later or is recursive. */
export function lazy<T>(get: () => Shape<T>): Shape<T> {
  return { check: (value, path, problems) => get().check(value, path, problems) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
