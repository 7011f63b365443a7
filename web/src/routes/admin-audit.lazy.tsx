import { createLazyRoute, useSearch } from '@tanstack/react-router';
import { Audit } from '~/features/admin/audit';
import { readAuditSearch } from '~/features/admin/search';

const Page = () => <Audit search={readAuditSearch(useSearch({ from: '/in/admin/audit' }))} />;

export const Route = createLazyRoute('/in/admin/audit')({ component: Page });
