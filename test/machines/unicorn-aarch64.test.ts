import { unicornAArch64 } from '../../harness/machines/unicorn/unicorn-aarch64.ts';
import { describeMachineContract } from './contract.ts';

describeMachineContract(unicornAArch64);
