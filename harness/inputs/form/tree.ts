import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { type Complaint, InputError } from '../input-error.ts';

/** Where a value stands in its file, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A value of a YAML or JSON file with its place. Numbers stay the text that was written: nothing is rounded. */
export type Tree = TextTree | ListTree | MapTree;

export interface TextTree {
  readonly kind: 'text';
  readonly text: string;
  readonly place: Place;
}

export interface ListTree {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly place: Place;
}

export interface MapTree {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
  readonly place: Place;
}

export interface MapEntry {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Tree;
}

/**
 * Parses YAML or JSON (which is read as the YAML that it is).
 * @throws InputError with every syntax error: tabs, duplicate keys, several documents, aliases …
 */
export function parseTree(file: string, text: string): Tree {
  const lines = new LineCounter();
  // The failsafe schema leaves every scalar the text that it is: 0x…, 1e3 and yes mean what the form says.
  const document = parseDocument(text, {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
  });
  const complaints: Complaint[] = [...document.errors, ...document.warnings].map(
    ({ code, message, pos }) => ({
      message: PLAINER_WORDS[code] ?? message,
      ...placeAt(lines, pos[0]),
    }),
  );
  if (complaints.length === 0 && document.contents === null)
    complaints.push({ message: 'the file is empty' });
  const tree = new Converter(lines, complaints).node(document.contents, 0);
  if (complaints.length > 0) throw new InputError(file, complaints);
  return tree;
}

const PLAINER_WORDS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab is used as indentation; use spaces',
  DUPLICATE_KEY: 'the same key stands twice in one map',
  MULTIPLE_DOCS: 'the file holds more than one document',
};

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

class Converter {
  readonly #lines: LineCounter;
  readonly #complaints: Complaint[];

  constructor(lines: LineCounter, complaints: Complaint[]) {
    this.#lines = lines;
    this.#complaints = complaints;
  }

  /** `otherwise` is the offset to report where the file has nothing, as behind `key:`. */
  node(node: unknown, otherwise: number): Tree {
    const offset = (node as Node | null)?.range?.[0] ?? otherwise;
    const place = placeAt(this.#lines, offset);
    if (isMap(node)) {
      return { kind: 'map', entries: node.items.map((pair) => this.#entry(pair, offset)), place };
    }
    if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => this.node(item, offset)), place };
    if (isAlias(node)) {
      this.#complaints.push({ message: `aliases are not supported: *${node.source}`, ...place });
    }
    return { kind: 'text', text: isScalar(node) ? String(node.value ?? '') : '', place };
  }

  #entry(pair: Pair, mapOffset: number): MapEntry {
    const keyOffset = (pair.key as Node | null)?.range?.[0] ?? mapOffset;
    return {
      key: isScalar(pair.key) ? String(pair.key.value ?? '') : '',
      keyPlace: placeAt(this.#lines, keyOffset),
      value: this.node(pair.value, keyOffset),
    };
  }
}
