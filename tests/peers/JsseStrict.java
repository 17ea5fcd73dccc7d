import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertPathBuilder;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.X509CertSelector;
import java.util.Arrays;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A device that wants to know the status of every certificate of the platform's and can query no responder:
 * JSSE with revocation checking by OCSP alone (no fallback to CRLs), and a responder at a port without a
 * listener.
 *
 * <p>Arguments: key store (PKCS #12), its password, trust anchors (PEM), a file with the bytes to send, host,
 * port, hours by which its clock is ahead, and then PROTOCOL:SUITE as often as it shall connect. Of each
 * connection it writes one line: the protocol and the suite that were negotiated, and the number of responses
 * that came stapled; or why there is no connection.
 */
public final class JsseStrict {
    private JsseStrict() {}

    public static void main(String[] arguments) throws Exception {
        byte[] message = Files.readAllBytes(Path.of(arguments[3]));
        for (String wanted : Arrays.asList(arguments).subList(7, arguments.length)) {
            try {
                System.out.println(connect(arguments, wanted.split(":", 2), message));
            } catch (IOException refused) {
                System.out.println(wanted + " refused" + causes(refused));
            }
        }
    }

    private static String connect(String[] arguments, String[] wanted, byte[] message) throws Exception {
        // One for each connection: nothing is resumed.
        SSLContext context =
                context(arguments[0], arguments[1].toCharArray(), arguments[2], Long.parseLong(arguments[6]));
        int port = Integer.parseInt(arguments[5]);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(arguments[4], port)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setProtocols(new String[] {wanted[0]});
            parameters.setCipherSuites(new String[] {wanted[1]});
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            socket.getOutputStream().write(message);
            // The last byte of a frame of MLLP.
            InputStream in = socket.getInputStream();
            for (int octet = in.read(); octet != 0x1C; octet = in.read()) {
                if (octet < 0) {
                    throw new IOException("no acknowledgement");
                }
            }
            ExtendedSSLSession session = (ExtendedSSLSession) socket.getSession();
            List<byte[]> responses = session.getStatusResponses();
            long stapled = responses.stream().filter(response -> response.length > 0).count();
            return session.getProtocol() + ":" + session.getCipherSuite() + " " + stapled + " of "
                    + session.getPeerCertificates().length;
        }
    }

    private static SSLContext context(String keyFile, char[] password, String anchors, long ahead) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(keyFile)) {
            keys.load(file, password);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, password);

        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream file = new FileInputStream(anchors)) {
            for (Certificate anchor : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                trusted.setCertificateEntry("anchor-" + trusted.size(), anchor);
            }
        }
        PKIXBuilderParameters path = new PKIXBuilderParameters(trusted, new X509CertSelector());
        path.setDate(new Date(System.currentTimeMillis() + ahead * 3_600_000));
        PKIXRevocationChecker checker =
                (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
        // Or it would ask the responders that the certificates name.
        checker.setOcspResponder(new URI("http://127.0.0.1:1/"));
        path.addCertPathChecker(checker);
        TrustManagerFactory theirs = TrustManagerFactory.getInstance("PKIX");
        theirs.init(new CertPathTrustManagerParameters(path));

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), theirs.getTrustManagers(), null);
        return context;
    }

    private static String causes(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            text.append(": ").append(cause.getMessage());
        }
        return text.toString().replace('\n', ' ');
    }
}
