import { addressOfPage, FRAME_SIZE, hex } from '../../../src/addresses.ts';
import type { LeafList } from '../../../src/leaf-list.ts';
import { Known } from '../../../src/outcome-list.ts';
import { createX64Walker } from '../../../src/x64/walker.ts';
import type { Capabilities, GuestImage } from '../../machine.ts';
import type { UnicornLibrary } from './library.ts';
import { unicornProvider } from './provider.ts';
import { PHYSICAL_ADDRESS_BITS, X64UnicornGuest } from './x64-guest.ts';
import { X64UnicornLiveGuest } from './x64-live-guest.ts';

/** Unicorn's software MMU for x64, in this process. */
export const unicornX64 = unicornProvider({
  name: 'unicorn-x64',
  architecture: 'x64',
  capabilities: capabilitiesOf,
  createGuest: (library, image) => createGuest(library, image, false),
  createLiveGuest(library, image) {
    const guest = createGuest(library, image, true);
    return { guest, live: new X64UnicornLiveGuest(guest, image.memory) };
  },
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
      `MAXPHYADDR is ${PHYSICAL_ADDRESS_BITS}: images that map higher physical addresses, or are for fewer bits, are refused`,
      'global pages and PCID are off, and every batch starts without cached translations, unless tables change while it runs',
      'an address that is not canonical gives #GP; #SS, for accesses through the stack segment, is not observed',
    ],
  };
}

function createGuest(
  library: UnicornLibrary,
  { registers, memory }: GuestImage,
  live: boolean,
): X64UnicornGuest {
  if (registers.architecture !== 'x64') {
    throw new RangeError(`cannot run ${registers.architecture} tables`);
  }
  const { physicalAddressBits } = registers;
  if (physicalAddressBits < PHYSICAL_ADDRESS_BITS) {
    throw new RangeError(
      `the image is for ${physicalAddressBits} physical address bits, and Unicorn has ${PHYSICAL_ADDRESS_BITS}`,
    );
  }
  if (physicalAddressBits > PHYSICAL_ADDRESS_BITS) checkReach(createX64Walker(memory, registers).leaves());
  return new X64UnicornGuest(library, registers, memory, live);
}

/** Refuses leaves whose addresses would be reserved bits. */
function checkReach({ length, pageNumber, pageCount, frame }: LeafList): void {
  for (let index = 0; index < length; index++) {
    const end = (frame[index] as number) + (pageCount[index] as number);
    if (end * FRAME_SIZE > 2 ** PHYSICAL_ADDRESS_BITS) {
      throw new RangeError(
        `${hex(addressOfPage(pageNumber[index] as number))} is mapped to physical address ${hex((frame[index] as number) * FRAME_SIZE)}, and Unicorn has ${PHYSICAL_ADDRESS_BITS} physical address bits`,
      );
    }
  }
}
