import { STUB_REGION_BYTES } from '../guest-stubs/protocol.ts';
import { planX64Stub, type X64StubPlan } from '../guest-stubs/x64/stub-plan.ts';
import { type GuestImage, MachineError } from '../harness/machine.ts';
import { FRAME_SIZE, hex } from '../src/addresses.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { X64Registers } from '../src/registers.ts';
import { endOfMemory, RAM_GRANULE } from './guest-ram.ts';

/** With more RAM than this QEMU takes seconds to start, even if nothing of it is touched. */
const RAM_LIMIT = 2 ** 43;

/** How an image is installed in a guest. */
export interface X64Installation extends X64StubPlan {
  readonly physicalAddressBits: number;
  /** Bytes of RAM from physical 0. */
  readonly ramSize: number;
  /** A frame without memory; undefined if RAM fills the physical address space. */
  readonly markerFrame: number | undefined;
}

/**
 * Decides how to install an image.
 * @param live whether its tables change while the guest runs
 * @throws MachineError 'unfit' if that is not possible
 */
export function planInstallation(machine: string, image: GuestImage, live: boolean): X64Installation {
  const { registers } = image;
  const unfit = (why: string) => new MachineError(machine, 'unfit', why);
  if (registers.architecture !== 'x64') throw unfit(`cannot run ${registers.architecture} tables`);
  const { physicalAddressBits } = registers;
  const plan = planStub(registers, image.memory, live, unfit);
  const end = Math.max(
    endOfMemory(image.memory),
    ...plan.placements.map((placement) => placement.region + STUB_REGION_BYTES),
  );
  const ramSize = Math.ceil(end / RAM_GRANULE) * RAM_GRANULE;
  if (end > 2 ** physicalAddressBits) {
    throw unfit(`memory up to ${hex(end)} does not fit in ${physicalAddressBits} physical address bits`);
  }
  if (ramSize > RAM_LIMIT) {
    throw unfit(`memory up to ${hex(end)} is beyond what QEMU can be given (${hex(RAM_LIMIT)})`);
  }
  const lastFrame = 2 ** (physicalAddressBits - 12) - 1;
  return {
    ...plan,
    physicalAddressBits,
    ramSize,
    markerFrame: lastFrame * FRAME_SIZE >= ramSize ? lastFrame : undefined,
  };
}

function planStub(
  registers: X64Registers,
  memory: PhysicalMemory,
  live: boolean,
  unfit: (why: string) => MachineError,
): X64StubPlan {
  try {
    return planX64Stub(registers, memory, live);
  } catch (cause) {
    throw cause instanceof RangeError ? unfit(cause.message) : cause;
  }
}
