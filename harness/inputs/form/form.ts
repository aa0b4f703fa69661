import { hex } from '../../../src/addresses.ts';
import type { Complaint } from '../input-error.ts';
import { AMOUNT_IN_WORDS, AMOUNT_PATTERN, parseAmount } from './amount.ts';
import { suggestion } from './suggestion.ts';
import type { MapTree, Place, Tree } from './tree.ts';

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a value in a file must look like. One description serves three ends: reading with a complaint at the
 * very line and column, the TypeScript type, and the published JSON Schema.
 */
export interface Form<T> {
  /** The value, or undefined after at least one complaint. */
  read(tree: Tree, complaints: Complaint[]): T | undefined;
  readonly schema: JsonSchema;
}

/** A value together with where it stands, for checks that look at more than one value. */
export interface Placed<T> {
  readonly value: T;
  readonly place: Place;
}

/** A value with its place. */
export function placed<T>(form: Form<T>): Form<Placed<T>> {
  return {
    schema: form.schema,
    read(tree, complaints) {
      const value = form.read(tree, complaints);
      return value === undefined ? undefined : { value, place: tree.place };
    },
  };
}

/** Text of at least one character. */
export const text: Form<string> = {
  schema: { type: 'string', minLength: 1 },
  read(tree, complaints) {
    if (tree.kind === 'text' && tree.text !== '') return tree.text;
    complaints.push({ message: `expected a text, found ${describe(tree)}`, ...tree.place });
    return undefined;
  },
};

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** A whole number from `least` to `most`, as {@link parseAmount} reads it. */
export function amount(most: bigint, least = 0n): Form<bigint> {
  return {
    schema: {
      anyOf: [
        // A bound that JSON cannot hold exactly is left out, and validators may take integers for safe ones.
        most <= MAX_SAFE
          ? { type: 'integer', minimum: Number(least), maximum: Number(most) }
          : { type: 'number', multipleOf: 1, minimum: Number(least) },
        { type: 'string', pattern: AMOUNT_PATTERN },
      ],
    },
    read(tree, complaints) {
      const value = tree.kind === 'text' ? parseAmount(tree.text) : undefined;
      if (value !== undefined && value >= least && value <= most) return value;
      const message =
        value === undefined
          ? `expected a number (${AMOUNT_IN_WORDS}), found ${describe(tree)}`
          : `${describe(tree)} is out of range: it must be ${readable(least)} to ${readable(most)}`;
      complaints.push({ message, ...tree.place });
      return undefined;
    },
  };
}

/** One of a few numbers. */
export function amountAmong(values: readonly number[]): Form<bigint> {
  const { read } = amount(BigInt(Math.max(...values)));
  return {
    schema: {
      anyOf: [
        { type: 'integer', enum: [...values] },
        { type: 'string', pattern: AMOUNT_PATTERN },
      ],
    },
    read(tree, complaints) {
      const value = read(tree, complaints);
      if (value === undefined || values.includes(Number(value))) return value;
      complaints.push({ message: `${describe(tree)} is none of ${values.join(', ')}`, ...tree.place });
      return undefined;
    },
  };
}

/** One of a few words. `what` names them in messages: "attribute", "architecture". */
export function choice<const T extends string>(what: string, words: readonly T[]): Form<T> {
  return {
    schema: { enum: words },
    read(tree, complaints) {
      const word = words.find((candidate) => tree.kind === 'text' && candidate === tree.text);
      if (word !== undefined) return word;
      const hint = tree.kind === 'text' ? suggestion(tree.text, words) : '';
      const message = `unknown ${what}: ${describe(tree)}${hint}; expected ${words.join(', ')}`;
      complaints.push({ message, ...tree.place });
      return undefined;
    },
  };
}

/** true or false. */
export const flag: Form<boolean> = {
  schema: { type: 'boolean' },
  read(tree, complaints) {
    if (tree.kind === 'text' && (tree.text === 'true' || tree.text === 'false')) return tree.text === 'true';
    complaints.push({ message: `expected true or false, found ${describe(tree)}`, ...tree.place });
    return undefined;
  },
};

/** A list of values of one form. What is wrong with single items is complained about and they are left out. */
export function list<T>(item: Form<T>): Form<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema },
    read(tree, complaints) {
      if (tree.kind !== 'list') {
        complaints.push({ message: `expected a list, found ${describe(tree)}`, ...tree.place });
        return undefined;
      }
      const values: T[] = [];
      for (const entry of tree.items) {
        const value = item.read(entry, complaints);
        if (value !== undefined) values.push(value);
      }
      return values;
    },
  };
}

/** A key of a {@link record}. */
export interface Field<T, Required extends boolean = boolean> {
  readonly form: Form<T>;
  readonly required: Required;
  readonly description: string;
}

/** A key that must be there. */
export function required<T>(form: Form<T>, description: string): Field<T, true> {
  return { form, required: true, description };
}

/** A key that may be left out. The description says what holds then. */
export function optional<T>(form: Form<T>, description: string): Field<T, false> {
  return { form, required: false, description };
}

export type RecordOf<Fields extends Readonly<Record<string, Field<unknown>>>> = {
  readonly [Key in keyof Fields]: Fields[Key] extends Field<infer T, true>
    ? T
    : Fields[Key] extends Field<infer T>
      ? T | undefined
      : never;
};

/**
 * A map with exactly these keys. `what` names it in messages: "a region", "an x64 layout". It is read as far
 * as possible, so that later checks find more to complain about: a value comes back if every required key has
 * one, whatever else was wrong; an optional key with a wrong value counts as absent.
 */
export function record<Fields extends Readonly<Record<string, Field<unknown>>>>(
  what: string,
  fields: Fields,
): Form<RecordOf<Fields>> {
  const known = Object.entries(fields);
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(
        known.map(([key, { form, description }]) => [key, { description, ...form.schema }]),
      ),
      required: known.filter(([, field]) => field.required).map(([key]) => key),
      additionalProperties: false,
    },
    read(tree, complaints) {
      if (!isMap(what, tree, complaints)) return undefined;
      const values: Record<string, unknown> = {};
      for (const { key, keyPlace, value } of tree.entries) {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (field === undefined) {
          const message = `unknown key "${key}" in ${what}${suggestion(key, Object.keys(fields))}`;
          complaints.push({ message, ...keyPlace });
        } else {
          const before = complaints.length;
          const read = field.form.read(value, complaints);
          if (field.required || complaints.length === before) values[key] = read;
        }
      }
      for (const [key, field] of known) {
        if (field.required && !tree.entries.some((entry) => entry.key === key)) {
          complaints.push({ message: `key "${key}" is missing in ${what}`, ...tree.place });
        }
      }
      return known.every(([key, field]) => !field.required || values[key] !== undefined)
        ? (values as RecordOf<Fields>)
        : undefined;
    },
  };
}

/** A map whose key `tag` says which of several forms it has. */
export function variants<Forms extends Readonly<Record<string, Form<unknown>>>>(
  what: string,
  tag: string,
  forms: Forms,
): Form<{ [Key in keyof Forms]: Forms[Key] extends Form<infer T> ? T : never }[keyof Forms]> {
  const tagForm = choice(tag, Object.keys(forms));
  return {
    schema: { oneOf: Object.values(forms).map((form) => form.schema) },
    read(tree, complaints) {
      if (!isMap(what, tree, complaints)) return undefined;
      const entry = tree.entries.find(({ key }) => key === tag);
      if (entry === undefined) {
        complaints.push({ message: `key "${tag}" is missing in ${what}`, ...tree.place });
        return undefined;
      }
      const variant = tagForm.read(entry.value, complaints);
      if (variant === undefined) return undefined;
      return forms[variant]?.read(tree, complaints) as ReturnType<typeof this.read>;
    },
  };
}

function isMap(what: string, tree: Tree, complaints: Complaint[]): tree is MapTree {
  if (tree.kind === 'map') return true;
  complaints.push({
    message: `expected ${what} as a map of keys and values, found ${describe(tree)}`,
    ...tree.place,
  });
  return false;
}

/** Characters of a wrong value that a message quotes. */
const QUOTED = 60;

function describe(tree: Tree): string {
  if (tree.kind !== 'text') return `a ${tree.kind}`;
  if (tree.text === '') return 'nothing';
  return JSON.stringify(tree.text.length > QUOTED ? `${tree.text.slice(0, QUOTED)}…` : tree.text);
}

/** Small numbers as people count, addresses in hexadecimal. */
function readable(value: bigint): string {
  return value < 1000n ? String(value) : hex(value);
}
