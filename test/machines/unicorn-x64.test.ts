import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { describeMachineContract } from './contract.ts';

describeMachineContract(unicornX64);
