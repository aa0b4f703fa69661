import { Known } from '../../../src/outcome-list.ts';
import type { Capabilities, GuestImage } from '../../machine.ts';
import type { UnicornLibrary } from './library.ts';
import { unicornProvider } from './provider.ts';
import { PHYSICAL_ADDRESS_BITS, X64UnicornGuest } from './x64-guest.ts';

/** Unicorn's software MMU for x64, in this process. */
export const unicornX64 = unicornProvider({
  name: 'unicorn-x64',
  architecture: 'x64',
  capabilities: capabilitiesOf,
  createGuest,
});

function capabilitiesOf(version: string): Capabilities {
  return {
    architecture: 'x64',
    version,
    observes: Known.Completion | Known.FaultClass | Known.FaultAddress | Known.PhysicalAddress,
    features: ['LA57', 'NX', 'SMEP', 'SMAP', 'PKU', '1G'],
    limits: [
      'the error code of a page fault is not observable: Unicorn has no interface for it',
      'the memory type has no effect that an access could show',
      `MAXPHYADDR is ${PHYSICAL_ADDRESS_BITS}: higher physical addresses are reserved bits, and images for fewer bits are refused`,
      'global pages and PCID are off: every batch starts without cached translations',
      'an address that is not canonical gives #GP; #SS, for accesses through the stack segment, is not observed',
    ],
  };
}

function createGuest(library: UnicornLibrary, { registers, memory }: GuestImage): X64UnicornGuest {
  if (registers.architecture !== 'x64') {
    throw new RangeError(`cannot run ${registers.architecture} tables`);
  }
  const { physicalAddressBits } = registers;
  if (physicalAddressBits < PHYSICAL_ADDRESS_BITS) {
    throw new RangeError(
      `the image is for ${physicalAddressBits} physical address bits, and Unicorn has ${PHYSICAL_ADDRESS_BITS}`,
    );
  }
  return new X64UnicornGuest(library, registers, memory);
}
