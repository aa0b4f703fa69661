import type { CaptureInput } from '../../harness/inputs/types.ts';
import type { Capabilities, Machine, MachineOptions, ProbeList } from '../../harness/machine.ts';
import type { MachineCandidate } from '../../harness/verify-run.ts';
import type { Access, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { KNOWN_ALL, OutcomeList } from '../../src/outcome-list.ts';
import type { X64Registers } from '../../src/registers.ts';
import { createWalker } from '../../src/walker.ts';
import { X64_REGISTERS } from './registers.ts';

export const ROOT = 0x1000;
export const PRESENT_WRITABLE_USER = 7n;

const registers: X64Registers = { ...X64_REGISTERS, cr3: BigInt(ROOT) };

/** Four tables at {@link ROOT} that map 2 MiB pages 0 and 1 (the second one read-only) and page 0x40_0000 (4 KiB). */
export function smallTables(): PhysicalMemory {
  const memory = PhysicalMemory.allocate(ROOT, 0x5000);
  memory.writeEntry(ROOT, 0x2000n | PRESENT_WRITABLE_USER);
  memory.writeEntry(0x2000, 0x3000n | PRESENT_WRITABLE_USER);
  memory.writeEntry(0x3000, 0x40_0000n | 0x87n);
  memory.writeEntry(0x3008, 0x60_0000n | 0x85n);
  memory.writeEntry(0x3010, 0x4000n | PRESENT_WRITABLE_USER);
  memory.writeEntry(0x4000, 0x80_0000n | PRESENT_WRITABLE_USER);
  return memory;
}

/** {@link smallTables} as a capture. */
export const smallCapture: CaptureInput = {
  kind: 'capture',
  name: 'small.core',
  architecture: 'x64',
  registers,
  memory: smallTables(),
  notes: [],
};

const capabilities: Capabilities = {
  architecture: 'x64',
  version: '1.2.3',
  observes: KNOWN_ALL,
  features: [],
  limits: [],
};

/** Changes a machine's answers. */
export type Falsify = (outcomes: OutcomeList, probes: ProbeList) => void;

/** A machine by the book, but for what `falsify` does to its answers and `spoil` to its tables. */
export function machineOf(
  falsify: Falsify = () => {},
  spoil: (after: PhysicalMemory) => void = setFlags,
  { memory } = smallCapture,
): MachineCandidate & { closed: number; opened: MachineOptions[] } {
  const machine: Machine = {
    name: 'fake-x64',
    capabilities,
    load: async () => {},
    async probe(probes) {
      const outcomes = new OutcomeList(probes.accesses.length);
      createWalker(memory, registers).predict(probes.accesses, outcomes);
      falsify(outcomes, probes);
      return { outcomes, remarks: new Map(), guestSeconds: 0.25 };
    },
    async readBack() {
      const after = new PhysicalMemory();
      for (const { firstFrame, words } of memory.ranges) {
        after.addRange(firstFrame * 4096, words.slice().buffer);
      }
      spoil(after);
      return after;
    },
    async close() {
      candidate.closed++;
    },
  };
  const candidate = {
    name: 'fake-x64',
    closed: 0,
    opened: [] as MachineOptions[],
    provider: async () => ({
      name: 'fake-x64',
      architecture: 'x64' as const,
      detect: async () => ({ available: true as const, capabilities }),
      open: async (options: MachineOptions = {}) => {
        candidate.opened.push(options);
        return machine;
      },
    }),
  };
  return candidate;
}

/** A machine by the book with other tables, which has set every flag in them. */
export function machineFor(image: CaptureInput): MachineCandidate {
  const setAll = (after: PhysicalMemory) => {
    for (const { words } of after.ranges) {
      for (let at = 0; at < words.length; at += 2) {
        if (((words[at] as number) & 1) !== 0) words[at] = (words[at] as number) | 0x60;
      }
    }
  };
  return machineOf(undefined, setAll, image);
}

/** What a processor does while every leaf is read and all but the read-only one are written. */
export function setFlags(after: PhysicalMemory): void {
  for (const [address, flags] of [
    [ROOT, 0x20n],
    [0x2000, 0x20n],
    [0x3000, 0x60n],
    [0x3008, 0x20n],
    [0x3010, 0x20n],
    [0x4000, 0x60n],
  ] as const) {
    after.writeEntry(address, (after.readEntry(address) ?? 0n) | flags);
  }
}

/** Changes the answer to one access. */
export function lieAbout(
  address: bigint,
  access: Access,
  privilege: Privilege,
  lie: (outcomes: OutcomeList, index: number) => void,
): Falsify {
  return (outcomes, { accesses }) => {
    for (let index = 0; index < accesses.length; index++) {
      const isMeant =
        accesses.address(index) === address &&
        accesses.access(index) === access &&
        accesses.privilege(index) === privilege;
      if (isMeant) lie(outcomes, index);
    }
  };
}
