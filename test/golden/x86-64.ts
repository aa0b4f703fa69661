import { PageTableError } from '../../src/errors.ts';
import type { FrameAllocator, FrameDeallocator } from '../../src/x64/mapper/frame-allocator.ts';
import { MappedPageTable } from '../../src/x64/mapper/mapped-page-table.ts';
import type { Mapper } from '../../src/x64/mapper/mapper.ts';
import { Page } from '../../src/x64/mapper/page.ts';
import { type PageSize, Size4KiB } from '../../src/x64/mapper/page-size.ts';
import { flagsFromBits, flagsToBits, type PageTableFlagBits } from '../../src/x64/mapper/page-table-flags.ts';
import { PhysFrame } from '../../src/x64/mapper/phys-frame.ts';
import type { TranslateResult } from '../../src/x64/mapper/translate.ts';
import { ARENA_BASE, Arena } from './arena.ts';
import { type GoldenDriver, type GoldenSession, hexString } from './driver.ts';
import type { Op, Script } from './script.ts';

/** Pages that a script may take beyond those that the original kept. */
const SPARE_PAGES = 64;
const SIZE_NAMES = { '4 KiB': '4k', '2 MiB': '2m', '1 GiB': '1g' } as const;

/** MappedPageTable of the x86_64 crate 0.15.4. */
export const x86_64Driver: GoldenDriver = {
  crate: 'x86_64',
  open: (script) => new MapperSession(script),
};

class MapperSession implements GoldenSession {
  readonly #arena: Arena;
  readonly #frames: ArenaFrames;
  readonly #table: MappedPageTable;

  constructor(script: Script) {
    const limit = Number(script.begin.limit);
    const pages = Math.min(limit, (script.tables?.length ?? 0) + SPARE_PAGES + 4 * script.ops.length);
    this.#arena = new Arena(pages);
    this.#frames = new ArenaFrames(pages);
    const root = PhysFrame.fromStartAddress(Size4KiB, ARENA_BASE);
    this.#arena.memory.frameWords(root)?.fill(0);
    this.#table = new MappedPageTable(this.#arena.memory, root, { atomic: false });
  }

  begin(): true {
    return true;
  }

  root(): string {
    return hexString(ARENA_BASE);
  }

  tables(): { address: number; entries: bigint[] }[] {
    return this.#frames.inUse.map((page) => ({
      address: Arena.addressOf(page),
      entries: this.#arena.entries(page) ?? [],
    }));
  }

  apply(op: Op): unknown {
    const [name, ...args] = op;
    switch (name) {
      case 'translate':
        return encodeTranslation(this.#table.translate(BigInt(args[0] as string)));
      case 'cleanUp':
        return this.#freed((deallocator) => this.#table.cleanUp(deallocator));
      case 'cleanUpRange': {
        const [start, last] = args.map((address) =>
          Page.containingAddress(Size4KiB, BigInt(address as string)),
        );
        const range = Page.rangeInclusive(Size4KiB, start as Page<Size4KiB>, last as Page<Size4KiB>);
        return this.#freed((deallocator) => this.#table.cleanUpAddrRange(range, deallocator));
      }
      default:
        return this.#applySized(name, args);
    }
  }

  #applySized(name: string, [size, ...args]: (string | number)[]): unknown {
    switch (size) {
      case '4k':
        return this.#call(this.#table.size4KiB, name, args);
      case '2m':
        return this.#call(this.#table.size2MiB, name, args);
      case '1g':
        return this.#call(this.#table.size1GiB, name, args);
      default:
        throw new Error(`unknown page size ${size}`);
    }
  }

  #call<S extends PageSize>(mapper: Mapper<S>, name: string, args: (string | number)[]): unknown {
    const { size } = mapper;
    const frame = (at: number): PhysFrame<S> => PhysFrame.fromStartAddress(size, BigInt(args[at] as string));
    const flags = (at: number): PageTableFlagBits => flagsFromBits(BigInt(args[at] as string));
    if (name === 'identityMap') {
      mapper.identityMap(frame(0), flags(1), this.#frames).ignore();
      return true;
    }
    const page = Page.fromStartAddress(size, BigInt(args[0] as string));
    switch (name) {
      case 'mapTo':
        if (args.length > 3)
          mapper.mapToWithTableFlags(page, frame(1), flags(2), flags(3), this.#frames).ignore();
        else mapper.mapTo(page, frame(1), flags(2), this.#frames).ignore();
        return true;
      case 'unmap': {
        const unmapped = mapper.unmap(page);
        unmapped.flush.ignore();
        return hexString(PhysFrame.startAddress(unmapped.frame));
      }
      case 'updateFlags':
        mapper.updateFlags(page, flags(1)).ignore();
        return true;
      case 'setFlagsP4':
        mapper.setFlagsP4Entry(page, flags(1)).ignore();
        return true;
      case 'setFlagsP3':
        mapper.setFlagsP3Entry(page, flags(1)).ignore();
        return true;
      case 'setFlagsP2':
        mapper.setFlagsP2Entry(page, flags(1)).ignore();
        return true;
      case 'translatePage':
        return hexString(PhysFrame.startAddress(mapper.translatePage(page)));
      default:
        throw new Error(`unknown call ${name}`);
    }
  }

  #freed(run: (deallocator: FrameDeallocator) => void): string[] {
    const freed: string[] = [];
    run({
      deallocateFrame: (frame) => {
        this.#frames.free(frame);
        freed.push(hexString(PhysFrame.startAddress(frame)));
      },
    });
    return freed;
  }
}

/** Hands out the arena's pages in order after the root; what is freed is not used again. */
class ArenaFrames implements FrameAllocator {
  readonly #pages: number;
  readonly #freed = new Set<number>();
  #handedOut = 1;

  constructor(pages: number) {
    this.#pages = pages;
  }

  get inUse(): number[] {
    return Array.from({ length: this.#handedOut }, (_, page) => page).filter(
      (page) => !this.#freed.has(page),
    );
  }

  allocateFrame(): PhysFrame<Size4KiB> | undefined {
    if (this.#handedOut >= this.#pages) return undefined;
    return PhysFrame.fromStartAddress(Size4KiB, Arena.addressOf(this.#handedOut++));
  }

  free(frame: PhysFrame<Size4KiB>): void {
    this.#freed.add((Number(PhysFrame.startAddress(frame)) - ARENA_BASE) / Size4KiB.bytes);
  }
}

function encodeTranslation(result: TranslateResult): [string, string, string, string] {
  if (result.kind === 'not-mapped') throw new PageTableError('NotMapped', 'nothing is mapped there');
  return [
    hexString(PhysFrame.startAddress(result.frame)),
    SIZE_NAMES[result.size.name],
    hexString(result.offset),
    hexString(flagsToBits(result.flags)),
  ];
}
