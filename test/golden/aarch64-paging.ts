import { El1Attributes, El23Attributes, Stage2Attributes } from '../../src/aarch64/mapping/attributes.ts';
import type { Descriptor, UpdatableDescriptor } from '../../src/aarch64/mapping/descriptor.ts';
import { IdMap } from '../../src/aarch64/mapping/id-map.ts';
import { LinearMap } from '../../src/aarch64/mapping/linear-map.ts';
import { Mapping } from '../../src/aarch64/mapping/mapping.ts';
import { MemoryRegion } from '../../src/aarch64/mapping/memory-region.ts';
import {
  type AttributeKindOf,
  type AttributesOf,
  El1And0,
  El2,
  El2And0,
  El3,
  Stage2,
  type TranslationRegime,
} from '../../src/aarch64/mapping/regime.ts';
import { RootTable } from '../../src/aarch64/mapping/root-table.ts';
import type { MappingOptions } from '../../src/aarch64/mapping/table-mapping.ts';
import { TargetAllocator } from '../../src/aarch64/mapping/target-allocator.ts';
import { ARENA_BASE } from './arena.ts';
import { type GoldenDriver, type GoldenSession, hexString } from './driver.ts';
import type { Op, Script } from './script.ts';

/** The tables of aarch64-paging 0.12.1: Mapping, IdMap, LinearMap and RootTable in each regime. */
export const aarch64PagingDriver: GoldenDriver = {
  crate: 'aarch64-paging',
  open({ begin }) {
    const { regime } = begin;
    switch (regime) {
      case 'el1and0':
        return new MappingSession(begin, El1And0, (bits) => El1Attributes.fromBitsRetain(bits));
      case 'el2and0':
        return new MappingSession(begin, El2And0, (bits) => El1Attributes.fromBitsRetain(bits));
      case 'el2':
        return new MappingSession(begin, El2, (bits) => El23Attributes.fromBitsRetain(bits));
      case 'el3':
        return new MappingSession(begin, El3, (bits) => El23Attributes.fromBitsRetain(bits));
      case 'stage2':
        return new MappingSession(begin, Stage2, (bits) => Stage2Attributes.fromBitsRetain(bits));
      default:
        throw new Error(`unknown regime ${regime}`);
    }
  },
};

/** What all kinds of tables can do; `map` gets the output address for those kinds that take one. */
interface Tables<R extends TranslationRegime> {
  readonly size: bigint;
  readonly rootAddress: bigint;
  map(region: MemoryRegion, address: bigint, flags: AttributesOf<R>, constraints: number): unknown;
  modifyRange(
    region: MemoryRegion,
    update: (descriptor: UpdatableDescriptor<AttributeKindOf<R>>) => void,
  ): unknown;
  walkRange(region: MemoryRegion, visit: (descriptor: Descriptor<AttributeKindOf<R>>) => void): void;
  compactSubtables(): unknown;
  markActive?(): void;
  markInactive?(): void;
}

/** `[va, size, descriptor, level]`, or with count and stride a run of them. */
type WalkRow = [string, string, string, number] | [string, string, string, number, number, string];

class MappingSession<R extends TranslationRegime> implements GoldenSession {
  readonly #begin: Script['begin'];
  readonly #regime: R;
  readonly #flags: (bits: bigint) => AttributesOf<R>;
  readonly #frames: CountedFrames;
  #tables: Tables<R> | undefined;

  constructor(begin: Script['begin'], regime: R, flags: (bits: bigint) => AttributesOf<R>) {
    this.#begin = begin;
    this.#regime = regime;
    this.#flags = flags;
    const base = BigInt(ARENA_BASE) + BigInt(begin.offset ?? 0);
    this.#frames = new CountedFrames(base & ~0xfffn);
  }

  begin(): string {
    this.#tables = this.#open();
    return hexString(this.#tables.size);
  }

  root(): string | null {
    return this.#tables === undefined ? null : hexString(this.#tables.rootAddress);
  }

  tables(): { address: number; entries: bigint[] }[] {
    return this.#frames.inUse();
  }

  apply([name, ...args]: Op): unknown {
    const tables = this.#tables;
    if (tables === undefined) throw new Error('the table could not be made');
    const region = (): MemoryRegion => new MemoryRegion(BigInt(args[0] as string), BigInt(args[1] as string));
    const flags = (at: number): AttributesOf<R> => this.#flags(BigInt(args[at] as string));
    switch (name) {
      case 'map':
        tables.map(region(), BigInt(args[2] as string), flags(3), Number(args[4]));
        return true;
      case 'modify': {
        const [set, clear] = [flags(2), flags(3)];
        tables.modifyRange(region(), (descriptor) => {
          if (args[4] === 1 && (descriptor.low & 1) === 0) return;
          descriptor.modifyFlags(set, clear);
        });
        return true;
      }
      case 'walk': {
        const visits: Visit[] = [];
        tables.walkRange(region(), (descriptor) => {
          const { bits, level, region: range } = descriptor;
          visits.push({ va: range.start, size: range.length, bits, level });
        });
        return walkRows(visits);
      }
      case 'compact':
        tables.compactSubtables();
        return true;
      case 'markActive':
      case 'markInactive':
        tables[name]?.();
        return true;
      default:
        throw new Error(`unknown call ${name}`);
    }
  }

  #open(): Tables<R> {
    const { kind, root, va, offset } = this.#begin;
    const regime = this.#regime;
    const base = {
      regime,
      rootLevel: Number(root),
      memory: this.#frames.target.memory,
      allocator: this.#frames,
      atomic: false,
      contiguousHints: false,
      ...(va === undefined ? {} : { vaRange: va }),
    };
    // Which of the options a regime takes is known at run time only.
    const options = { ...base, ...(regime.hasAsid ? { asid: 1 } : {}) } as unknown as MappingOptions<R> & {
      readonly vaRange?: 'lower';
    };
    switch (kind) {
      case 'id': {
        const map = new IdMap<R>(options);
        return withMap(map, (region, _address, flags, constraints) =>
          map.mapRange(region, flags, constraints),
        );
      }
      case 'linear': {
        const map = new LinearMap<R>({ ...options, offset: BigInt(offset as string) });
        return withMap(map, (region, _address, flags, constraints) =>
          map.mapRange(region, flags, constraints),
        );
      }
      case 'explicit': {
        const map = new Mapping<R>(options);
        return withMap(map, map.mapRange.bind(map));
      }
      case 'root': {
        const map = new RootTable<R>(options);
        return withMap(map, map.mapRange.bind(map));
      }
      default:
        throw new Error(`unknown kind ${kind}`);
    }
  }
}

function withMap<R extends TranslationRegime>(
  tables: Omit<Tables<R>, 'map'>,
  map: Tables<R>['map'],
): Tables<R> {
  return Object.assign(tables, { map });
}

interface Visit {
  readonly va: bigint;
  readonly size: bigint;
  readonly bits: bigint;
  readonly level: number;
}

function walkRows(visits: readonly Visit[]): WalkRow[] {
  const rows: WalkRow[] = [];
  for (let at = 0; at < visits.length; ) {
    const { va, size, bits, level } = visits[at] as Visit;
    const stride = BigInt.asUintN(64, (visits[at + 1]?.bits ?? 0n) - bits);
    let count = 1;
    for (; at + count < visits.length; count++) {
      const next = visits[at + count] as Visit;
      const k = BigInt(count);
      if (next.size !== size || next.level !== level || next.va !== va + k * size) break;
      if (next.bits !== BigInt.asUintN(64, bits + k * stride)) break;
    }
    const row: [string, string, string, number] = [hexString(va), hexString(size), hexString(bits), level];
    if (count >= 3) rows.push([...row, count, hexString(stride)]);
    else rows.push(row);
    at += count >= 3 ? count : 1;
  }
  return rows;
}

/** The lowest free frame from a base on, and which ones are in use. */
class CountedFrames {
  readonly target: TargetAllocator;
  readonly #inUse = new Set<number>();

  constructor(base: bigint) {
    this.target = new TargetAllocator(base);
  }

  allocatePage(): number {
    const address = this.target.allocatePage();
    this.#inUse.add(address);
    return address;
  }

  releasePage(address: bigint | number): void {
    this.#inUse.delete(Number(address));
    this.target.releasePage(address);
  }

  inUse(): { address: number; entries: bigint[] }[] {
    return [...this.#inUse]
      .sort((a, b) => a - b)
      .map((address) => ({
        address,
        entries: Array.from(
          { length: 512 },
          (_, entry) => this.target.memory.readEntry(address + 8 * entry) ?? 0n,
        ),
      }));
  }
}
