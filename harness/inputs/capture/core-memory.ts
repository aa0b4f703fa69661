import { FRAME_SIZE, hex } from '../../../src/addresses.ts';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { InputError } from '../input-error.ts';
import type { CoreSegment, ElfCore } from './elf-core.ts';

/** End of what a table entry can point to: 52 bits (both architectures). */
const PHYSICAL_END = 1n << 52n;
const FRAME = BigInt(FRAME_SIZE);

/**
 * The memory of a core. Segments that follow each other become one range; where they also follow each other
 * in the file, the range is a view of the file's bytes. Frames of which only a part was captured are left out.
 * @throws InputError if segments overlap or leave the 52-bit physical address space
 */
export function coreMemory(file: string, core: ElfCore): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (const run of contiguousRuns(file, core.segments)) {
    if (run.end - run.start > BigInt(core.bytes.length)) {
      throw new InputError(
        file,
        `program headers take ${hex(run.end - run.start)} bytes from a file of ${hex(core.bytes.length)} bytes`,
      );
    }
    const bytes = bytesOf(run, core.bytes);
    const skipped = Number((FRAME - (run.start % FRAME)) % FRAME);
    const length = Math.floor((bytes.length - skipped) / FRAME_SIZE) * FRAME_SIZE;
    if (length <= 0) continue;
    const whole = aligned(bytes.subarray(skipped, skipped + length));
    memory.addRange(run.start + BigInt(skipped), whole.buffer, whole.byteOffset, length);
  }
  return memory;
}

/** Segments that follow each other in physical memory without a gap. */
interface Run {
  readonly start: bigint;
  end: bigint;
  readonly segments: CoreSegment[];
}

function contiguousRuns(file: string, segments: readonly CoreSegment[]): Run[] {
  const runs: Run[] = [];
  const ascending = [...segments].sort((a, b) => (a.physicalAddress < b.physicalAddress ? -1 : 1));
  for (const segment of ascending) {
    const start = segment.physicalAddress;
    const end = start + BigInt(segment.size);
    if (end > PHYSICAL_END) {
      throw new InputError(
        file,
        `program header ${segment.index} holds ${range(start, end)}, beyond 52-bit physical addresses`,
      );
    }
    const last = runs.at(-1);
    if (last !== undefined && start < last.end) {
      const other = last.segments.at(-1) as CoreSegment;
      throw new InputError(
        file,
        `program header ${segment.index} (${range(start, end)}) overlaps program header ${other.index} (${range(other.physicalAddress, last.end)}); a core of guest memory has physical addresses that differ`,
      );
    }
    if (last !== undefined && start === last.end) {
      last.segments.push(segment);
      last.end = end;
    } else {
      runs.push({ start, end, segments: [segment] });
    }
  }
  return runs;
}

function bytesOf(run: Run, file: Uint8Array): Uint8Array {
  const first = run.segments[0] as CoreSegment;
  const size = Number(run.end - run.start);
  let next = first.offset;
  const followsInFile = run.segments.every(({ offset, size }) => {
    const follows = offset === next;
    next = offset + size;
    return follows;
  });
  if (followsInFile) return file.subarray(first.offset, first.offset + size);
  const joined = new Uint8Array(size);
  for (const { physicalAddress, offset, size } of run.segments) {
    joined.set(file.subarray(offset, offset + size), Number(physicalAddress - run.start));
  }
  return joined;
}

/** The bytes at an address that a Uint32Array can view: themselves, or a copy (`slice` of a Buffer is none). */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
}

function range(start: bigint, end: bigint): string {
  return `${hex(start)}–${hex(end - 1n)}`;
}
