import { useId, type InputHTMLAttributes, type ReactNode, type Ref, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react';
import { cx } from './cx';
import { Icon } from './icon';

/** Shared look of everything that takes text. */
export const inputClass =
  'w-full rounded-md border border-line-strong bg-surface-1 px-3 text-base text-text-1 placeholder:text-text-3 transition-colors hover:border-text-3 disabled:opacity-60 aria-invalid:border-danger md:text-sm';

interface InputProps extends InputHTMLAttributes<HTMLInputElement> {
  ref?: Ref<HTMLInputElement>;
}

export const Input = ({ className, ...rest }: InputProps) => <input className={cx(inputClass, 'h-11', className)} {...rest} />;

interface TextareaProps extends TextareaHTMLAttributes<HTMLTextAreaElement> {
  ref?: Ref<HTMLTextAreaElement>;
}

export const Textarea = ({ className, ...rest }: TextareaProps) => (
  <textarea className={cx(inputClass, 'min-h-24 py-2 leading-6', className)} {...rest} />
);

interface SelectProps extends SelectHTMLAttributes<HTMLSelectElement> {
  ref?: Ref<HTMLSelectElement>;
}

/** The browser's own list, dressed: it is the one that every phone and screen reader knows. */
export const Select = ({ className, children, ...rest }: SelectProps) => (
  <span className={cx('relative inline-block w-full', className)}>
    <select className={cx(inputClass, 'h-11 appearance-none pr-9 pointer-fine:h-10')} {...rest}>
      {children}
    </select>
    <Icon name="down" size={16} className="pointer-events-none absolute top-1/2 right-3 -translate-y-1/2 text-text-3" />
  </span>
);

interface CheckboxProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'type'> {
  ref?: Ref<HTMLInputElement>;
  label: ReactNode;
}

export const Checkbox = ({ label, className, ...rest }: CheckboxProps) => (
  <label className={cx('inline-flex min-h-11 cursor-pointer items-center gap-3 text-sm pointer-fine:min-h-8', className)}>
    <input type="checkbox" className="size-5 shrink-0 accent-(--accent)" {...rest} />
    <span>{label}</span>
  </label>
);

export interface FieldControl {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': true | undefined;
}

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  /** What is wrong and what to do; announced when it appears. */
  error?: ReactNode;
  className?: string;
  children: (control: FieldControl) => ReactNode;
}

/** Label, control, hint and error, tied together for those who cannot see them beside each other. */
export function Field({ label, hint, error, className, children }: FieldProps) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error ?? hint;
  return (
    <div className={cx('flex flex-col gap-1.5', className)}>
      <label htmlFor={id} className="text-sm font-medium text-text-2">
        {label}
      </label>
      {children({ id, 'aria-describedby': note ? noteId : undefined, 'aria-invalid': error ? true : undefined })}
      <div id={noteId} aria-live="polite" className={cx('text-sm', error ? 'text-danger' : 'text-text-3', !note && 'hidden')}>
        {note}
      </div>
    </div>
  );
}
