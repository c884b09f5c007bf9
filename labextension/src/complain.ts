import { Notification } from '@jupyterlab/apputils';

/** Tell what was refused or went wrong; it stays until it is dismissed. */
export function complain(message: string): void {
  // By default a notification only rings the bell in the status bar.
  Notification.error(message, { autoClose: false });
}
