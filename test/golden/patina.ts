import { AArch64PageTable } from '../../src/aarch64/aarch64-page-table.ts';
import type { Address } from '../../src/addresses.ts';
import type { PageAllocator } from '../../src/memory/page-allocator.ts';
import type { MappedRegion } from '../../src/patina/mapped-region.ts';
import type { PatinaPageTable } from '../../src/patina/page-table.ts';
import { PagingType } from '../../src/patina/paging-type.ts';
import { X64PageTable } from '../../src/x64/x64-page-table.ts';
import { ARENA_BASE, Arena } from './arena.ts';
import { type GoldenDriver, type GoldenSession, hexString, ScriptError } from './driver.ts';
import type { Op, Script } from './script.ts';

/** Pages that a script may take beyond those that the original took, before it is told that there are no more. */
const SPARE_PAGES = 16;

/** An attribute bit without a meaning; no script uses it itself. */
const UNKNOWN_ATTRIBUTE = 0x8000_0000;

/** X64PageTable and AArch64PageTable of patina-paging 11.0.6. */
export const patinaDriver: GoldenDriver = {
  crate: 'patina-paging',
  open: (script) => new PatinaSession(script),
};

class PatinaSession implements GoldenSession {
  readonly #script: Script;
  readonly #arena: Arena;
  readonly #allocator: ArenaAllocator;
  #table: PatinaPageTable | undefined;

  constructor(script: Script) {
    this.#script = script;
    const pages = (script.tables?.length ?? 0) + SPARE_PAGES;
    this.#arena = new Arena(pages);
    this.#allocator = new ArenaAllocator(pages, script.begin);
  }

  begin(): true {
    this.#table = this.#construct(undefined);
    return true;
  }

  root(): string {
    return this.#table === undefined ? hexString(ARENA_BASE) : hexString(this.#table.intoPageTableRoot());
  }

  tables(): { address: number; entries: bigint[] }[] {
    return Array.from({ length: this.#allocator.handedOut }, (_, page) => ({
      address: Arena.addressOf(page),
      entries: this.#arena.entries(page) ?? [],
    }));
  }

  apply(op: Op): unknown {
    const [name, ...args] = op;
    const table = this.#table;
    if (table === undefined) throw new Error(`${name} without a table`);
    const word = (index: number): bigint => BigInt(args[index] as string);
    /** A number where that is exact, so that both forms of an address are replayed. */
    const at = (index: number): Address => (word(index) < 1n << 53n ? Number(word(index)) : word(index));
    switch (name) {
      case 'map':
        table.mapMemoryRegion(at(0), at(1), attributeWord(word(2)));
        return true;
      case 'unmap':
        table.unmapMemoryRegion(at(0), at(1));
        return true;
      case 'query':
        return hexString(table.queryMemoryRegion(at(0), at(1)));
      case 'regions':
        return encodeRegions(args.length === 0 ? table.mappedRegions() : table.mappedRegions(at(0)));
      case 'reopen': {
        const root = table.intoPageTableRoot();
        this.#table = this.#construct(root);
        return hexString(root);
      }
      case 'openAt':
        this.#construct(at(0));
        return true;
      case 'poke':
        return this.#poke(Number(args[0]), Number(args[1]), word(2), word(3));
      default:
        throw new Error(`unknown call ${name}`);
    }
  }

  #construct(root: Address | undefined): PatinaPageTable {
    const { arch, paging } = this.#script.begin;
    const options = {
      memory: this.#arena.memory,
      allocator: this.#allocator,
      pagingType: paging === 5 ? PagingType.Paging5Level : PagingType.Paging4Level,
      atomic: false,
    };
    if (arch === 'aarch64') {
      return root === undefined
        ? AArch64PageTable.create(options)
        : AArch64PageTable.fromExisting(root, options);
    }
    const x64Options = { ...options, supervisorAttribute: /-supervisor\//.test(this.#script.id) };
    return root === undefined ? X64PageTable.create(x64Options) : X64PageTable.fromExisting(root, x64Options);
  }

  /** Changes an entry behind the engine's back, as other software or the MMU would. */
  #poke(page: number, index: number, and: bigint, or: bigint): string {
    const entry = page < this.#allocator.handedOut ? this.#arena.entries(page)?.[index] : undefined;
    if (entry === undefined) throw new ScriptError('NoSuchPage');
    if (entry === 0n) throw new ScriptError('EmptyEntry');
    const changed = (entry & and) | or;
    this.#arena.memory.writeEntry(Arena.addressOf(page) + index * 8, changed);
    return hexString(changed);
  }
}

/** Hands out the arena's pages in order, up to `limit`, with one misaligned address on the way if asked for. */
class ArenaAllocator implements PageAllocator {
  handedOut = 0;
  readonly #limit: number;
  #misalign: number;

  constructor(pages: number, begin: Script['begin']) {
    this.#limit = Math.min(pages, Number(begin.limit ?? pages));
    this.#misalign = Number(begin.misalign ?? -1);
  }

  allocatePage(): number | undefined {
    if (this.handedOut === this.#misalign) {
      this.#misalign = -1;
      return Arena.addressOf(this.handedOut) + 8;
    }
    return this.handedOut < this.#limit ? Arena.addressOf(this.handedOut++) : undefined;
  }
}

/** A 64-bit attribute word as the engine takes it: what the crate does not know either becomes one unknown bit. */
function attributeWord(word: bigint): number {
  const known = 0xffff_ffffn;
  return Number(word & known) + (word > known ? UNKNOWN_ATTRIBUTE : 0);
}

/** Rows `[va, pa, size, attributes, count]`: consecutive regions of one size and one attribute word are one row. */
function encodeRegions(regions: Iterable<MappedRegion>): [string, string, string, string, number][] {
  const rows: { first: MappedRegion; count: bigint }[] = [];
  for (const region of regions) {
    const last = rows.at(-1);
    if (last !== undefined && continues(last.first, last.count, region)) last.count++;
    else rows.push({ first: region, count: 1n });
  }
  return rows.map(({ first, count }) => [
    hexString(first.signExtendedAddress),
    hexString(first.physicalAddress),
    hexString(first.size),
    hexString(first.attributes),
    Number(count),
  ]);
}

function continues(first: MappedRegion, count: bigint, next: MappedRegion): boolean {
  return (
    next.size === first.size &&
    next.attributes === first.attributes &&
    next.signExtendedAddress === first.signExtendedAddress + count * first.size &&
    next.physicalAddress === first.physicalAddress + count * first.size
  );
}
